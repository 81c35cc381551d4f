//! Finding what is due. Each way to fall due has its own index, so that the cost follows what is due and not what is
//! kept.

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};
use twilio::{AccountSid, RecordingSid};

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::policy::Policy;
use crate::sweep::Sweep;

/// All that is past its date and not held: [`Policy::due`] and the marks, as a query. The same recording may come more
/// than once. `$1` the recording to go on after, `$2` to `$4` the cutoffs of audio, transcripts and Twilio's copy
/// (null: no such rule), `$5` now. The conditions repeat those of the partial indexes word for word, or a planner may
/// not see that they apply.
macro_rules! due {
    () => {
        "(SELECT account_sid, recording_sid FROM recordings \
          WHERE status NOT IN ('absent', 'deleted') AND audio_deleted_at IS NULL AND is_held = 0 \
          AND retention_from <= $2 AND recording_sid > $1 \
          UNION ALL SELECT account_sid, recording_sid FROM recordings \
          WHERE has_transcripts = 1 AND is_held = 0 AND retention_from <= $3 AND recording_sid > $1 \
          UNION ALL SELECT account_sid, recording_sid FROM recordings \
          WHERE media_state = 'stored' AND twilio_deleted_at IS NULL AND is_held = 0 \
          AND archived_at <= $4 AND recording_sid > $1 \
          AND flags NOT LIKE '%\"shorter_than_its_header\"%' AND flags NOT LIKE '%\"duration_differs\"%' \
          UNION ALL SELECT account_sid, recording_sid FROM recordings \
          WHERE erase_requested_at IS NOT NULL AND status NOT IN ('absent', 'deleted') AND is_held = 0 \
          AND erase_requested_at <= $5 AND recording_sid > $1 \
          UNION ALL SELECT account_sid, recording_sid FROM recordings \
          WHERE marked_at IS NOT NULL AND status <> 'deleted' AND marked_at <= $5 AND recording_sid > $1) AS due"
    };
}

pub(crate) const DUE_FOR_PURGE: &str =
    concat!("SELECT DISTINCT account_sid, recording_sid FROM ", due!(), " ORDER BY recording_sid LIMIT $6");

/// The same of one recording: `$6`.
const IS_DUE: &str = concat!("SELECT 1 FROM ", due!(), " WHERE due.recording_sid = $6 LIMIT 1");

/// The same, for a sweep that takes what it finds: `$6` how many, `$7` since when what was taken is left out, `$8` the
/// time now. Until the rows are marked they are locked, and what another has locked is left to it.
///
/// What moved since it was taken may be due in another way now (Twilio's copy went, and now the transcript is to), and is
/// taken at once. A deletion that was begun moves at each attempt: it waits its time, and as long as it is tried.
fn take_due(lock_free_rows: &str) -> String {
    format!(
        "WITH taken AS MATERIALIZED (SELECT recording_sid FROM recordings \
         WHERE recording_sid IN (SELECT recording_sid FROM {due}) \
         AND (purge_queued_at IS NULL OR purge_queued_at < $7 OR (marked_at IS NULL AND purge_queued_at < updated_at)) \
         AND (marked_at IS NULL OR NOT EXISTS (SELECT 1 FROM claims WHERE work = 'purge' AND claims.expires_at > $7 \
         AND claims.recording_sid = recordings.recording_sid)) ORDER BY recording_sid LIMIT $6{lock_free_rows}) \
         UPDATE recordings SET purge_queued_at = $8 WHERE recording_sid IN (SELECT recording_sid FROM taken) \
         RETURNING account_sid, recording_sid",
        due = due!()
    )
}

const OVERDUE: &str = concat!("SELECT COUNT(DISTINCT recording_sid) FROM ", due!());

impl Catalog {
    /// Recordings of which something is due at `now` by `policy`, by an erasure request, or because its deletion was
    /// begun and not completed; in the order of their SIDs, those after `after`, at most `limit`. Held ones never.
    ///
    /// The answer is a hint: [`Catalog::grant_purge`] decides.
    ///
    /// # Errors
    /// What the database said.
    pub async fn due_for_purge(
        &self,
        policy: &Policy,
        now: DateTime<Utc>,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<(AccountSid, RecordingSid)>, CatalogError> {
        let query = bind_due(sqlx::query(DUE_FOR_PURGE), policy, now, after).bind(i64::from(limit));
        read_sids(&self.read_all(query).await?)
    }

    /// Whether one recording is among them.
    ///
    /// # Errors
    /// What the database said.
    pub async fn is_due_for_purge(
        &self,
        policy: &Policy,
        now: DateTime<Utc>,
        sid: &RecordingSid,
    ) -> Result<bool, CatalogError> {
        let query = bind_due(sqlx::query(IS_DUE), policy, now, None).bind(sid.to_string());
        Ok(self.read_optional(query).await?.is_some())
    }

    /// The same, for `sweep` to queue their purges: what a sweep took lately is left out, and what was begun and is still
    /// tried. So two at the same time share the work and neither waits for the other, and a backlog that nobody works at
    /// is not queued once more by every pass. What moved since it was taken is taken again at once. One that is taken and
    /// not queued, because the sweep was broken off, is found once that is long enough ago.
    ///
    /// # Errors
    /// What the database said; nothing is taken then.
    pub async fn take_due_for_purge(
        &self,
        policy: &Policy,
        sweep: Sweep,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<(AccountSid, RecordingSid)>, CatalogError> {
        let statement = take_due(self.dialect.lock_free_rows);
        let query = bind_due(sqlx::query(AssertSqlSafe(statement)), policy, sweep.began_at, after)
            .bind(i64::from(limit))
            .bind(sweep.again_before.timestamp_millis())
            .bind(sweep.now.timestamp_millis());
        let mut transaction = self.begin().await?;
        let mut taken = read_sids(&transaction.fetch_all(query).await?)?;
        transaction.commit().await?;
        taken.sort_by(|(_, one), (_, two)| one.cmp(two));
        Ok(taken)
    }

    /// How many recordings have something left at `now` that is past its date, and are not held. Between two sweeps
    /// some always do: ask with a `now` of two sweeps ago for what should be 0.
    ///
    /// # Errors
    /// What the database said.
    pub async fn overdue(&self, policy: &Policy, now: DateTime<Utc>) -> Result<u64, CatalogError> {
        let count = self.read_optional(bind_due(sqlx::query(OVERDUE), policy, now, None)).await?;
        Ok(count.map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or_default().unsigned_abs())
    }
}

fn read_sids(rows: &[AnyRow]) -> Result<Vec<(AccountSid, RecordingSid)>, CatalogError> {
    let read = |row| {
        let columns = Columns(row);
        Ok((columns.parsed("account_sid")?, columns.parsed("recording_sid")?))
    };
    Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
}

pub(crate) fn bind_due<'q>(
    query: Query<'q, Any, AnyArguments>,
    policy: &Policy,
    now: DateTime<Utc>,
    after: Option<&RecordingSid>,
) -> Query<'q, Any, AnyArguments> {
    query
        .bind(after.map(RecordingSid::to_string).unwrap_or_default())
        .bind(Policy::cutoff(now, policy.retention_days))
        .bind(Policy::cutoff(now, policy.transcript_days))
        .bind(policy.twilio_delete_after_days.map(|days| Policy::cutoff(now, days)))
        .bind(now.timestamp_millis())
}

#[cfg(test)]
mod tests;
