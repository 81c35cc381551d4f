//! Finding what is due. Each way to fall due has its own index, so that the cost follows what is due and not what is
//! kept.

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};
use twilio::{AccountSid, RecordingSid};

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::policy::Policy;

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
    let [audio, transcripts, twilio, erasure, _mark] = cutoffs(policy, now);
    let after = after.map(RecordingSid::to_string).unwrap_or_default();
    query.bind(after).bind(audio).bind(transcripts).bind(twilio).bind(erasure)
}

/// Up to when what falls due in each way is due at `now`: audio, transcripts, Twilio's copy (none: no such rule), what
/// was to be erased, what was marked. In milliseconds.
pub(crate) fn cutoffs(policy: &Policy, now: DateTime<Utc>) -> [Option<i64>; 5] {
    [
        Some(Policy::cutoff(now, policy.retention_days)),
        Some(Policy::cutoff(now, policy.transcript_days)),
        policy.twilio_delete_after_days.map(|days| Policy::cutoff(now, days)),
        Some(now.timestamp_millis()),
        Some(now.timestamp_millis()),
    ]
}

#[cfg(test)]
mod tests;
