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
use crate::take_due::{WAYS, Way};

/// All that is past its date and not held: [`WAYS`] as one query. The same recording may come more than once. `$1` the
/// recording to go on after, `$2` to `$6` the [`cutoffs`] (null: no such rule).
fn due() -> String {
    let ways = WAYS.iter().zip(2..).map(|(Way { condition, due_at, .. }, cutoff)| {
        format!(
            "SELECT account_sid, recording_sid FROM recordings \
             WHERE {condition} AND {due_at} <= ${cutoff} AND recording_sid > $1"
        )
    });
    format!("({}) AS due", ways.collect::<Vec<_>>().join(" UNION ALL "))
}

/// A page of it; `$7` how many.
pub(crate) fn due_for_purge() -> String {
    format!("SELECT DISTINCT account_sid, recording_sid FROM {} ORDER BY recording_sid LIMIT $7", due())
}

/// The same of one recording: `$7`.
fn is_due() -> String {
    format!("SELECT 1 FROM {} WHERE due.recording_sid = $7 LIMIT 1", due())
}

fn overdue() -> String {
    format!("SELECT COUNT(DISTINCT recording_sid) FROM {}", due())
}

impl Catalog {
    /// Recordings of which something is due at `now` by `policy`, by an erasure request, or because its deletion was
    /// begun and not completed; in the order of their SIDs, those after `after`, at most `limit`. Held ones never.
    ///
    /// The answer is a hint: [`Catalog::grant_purges`] decides.
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
        let query = bind_due(sqlx::query(AssertSqlSafe(due_for_purge())), policy, now, after).bind(i64::from(limit));
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
        let query = bind_due(sqlx::query(AssertSqlSafe(is_due())), policy, now, None).bind(sid.to_string());
        Ok(self.read_optional(query).await?.is_some())
    }

    /// How many recordings have something left at `now` that is past its date, and are not held. Between two sweeps
    /// some always do: ask with a `now` of two sweeps ago for what should be 0.
    ///
    /// # Errors
    /// What the database said.
    pub async fn overdue(&self, policy: &Policy, now: DateTime<Utc>) -> Result<u64, CatalogError> {
        let count = self.read_optional(bind_due(sqlx::query(AssertSqlSafe(overdue())), policy, now, None)).await?;
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
    let after = after.map(RecordingSid::to_string).unwrap_or_default();
    cutoffs(policy, now).into_iter().fold(query.bind(after), Query::bind)
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
