//! What lacks a step and has not moved for a while: the sweep that finds work whose job was lost.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use twilio::RecordingSid;

use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::{RecordingRow, recording_columns};
use crate::sweep::{Sweep, Taken};
use crate::versions::TranscriptRow;

/// Which steps recordings are expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expects {
    /// Something transcribes.
    pub transcribe: bool,
    /// Transcripts are handed on.
    pub deliver: bool,
}

/// A recording and a step it lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Stuck {
    /// The recording.
    pub row: RecordingRow,
    /// The step.
    pub missing: StuckWork,
}

/// A step that is to be taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StuckWork {
    /// Its media is not archived.
    Archive,
    /// This version of its transcript is not made.
    Transcribe {
        /// Which.
        version: u32,
    },
    /// This version of its transcript was not handed on.
    Deliver {
        /// Which.
        version: u32,
    },
    /// Its deletion was begun and not completed.
    Purge,
}

/// What nobody works at. `$2` the time since when nothing moved. What stands still for a reason waits for an operator,
/// deletion aside.
macro_rules! is_left {
    ($of_claims:literal) => {
        concat!(
            "(recordings.error IS NULL OR recordings.marked_at IS NOT NULL) AND recordings.updated_at < $2 \
             AND NOT EXISTS (SELECT 1 FROM claims WHERE claims.recording_sid = recordings.recording_sid \
             AND claims.expires_at > $2",
            $of_claims,
            ")"
        )
    };
}

/// The ways to lack a step: the recordings that the partial index of each names, in the order of their SIDs, the
/// conditions word for word those of the index. `$1` the recording to go on after, `$3` and `$4` whether something
/// transcribes and delivers.
const WAYS: [&str; 5] = [
    "recordings WHERE status = 'received'",
    "recordings WHERE marked_at IS NOT NULL AND status <> 'deleted'",
    "recordings WHERE status = 'archived' AND transcripts_deleted_at IS NULL AND encryption IS NULL \
     AND media_state = 'stored' AND $3 = 1",
    "(SELECT DISTINCT recording_sid FROM transcripts WHERE state <> 'stored' AND recording_sid > $1) AS unmade \
     JOIN recordings USING (recording_sid) WHERE $3 = 1",
    "(SELECT DISTINCT recording_sid FROM transcripts WHERE state = 'stored' AND delivered_at IS NULL \
     AND object IS NOT NULL AND recording_sid > $1) AS undelivered JOIN recordings USING (recording_sid) WHERE $4 = 1",
];

/// The SIDs of those that may lack a step, the first of them in each way: so many that no other can be on the page, and
/// no more are read. `$5` how many. `condition` and `end` are added to the statement of each way.
fn may_lack(condition: &str, end: &str) -> String {
    let is_left = is_left!(" AND claims.recording_sid > $1");
    let ways = WAYS.iter().enumerate().map(|(number, way)| {
        format!(
            "SELECT recording_sid FROM (SELECT recordings.recording_sid FROM {way} AND recordings.recording_sid > $1 \
             AND {is_left}{condition} ORDER BY recordings.recording_sid LIMIT $5{end}) AS way_{number}"
        )
    });
    ways.collect::<Vec<_>>().join(" UNION ")
}

/// A page of them.
fn page() -> String {
    format!(
        "SELECT {} FROM recordings WHERE recording_sid IN ({}) ORDER BY recording_sid LIMIT $5",
        recording_columns!(),
        may_lack("", "")
    )
}

/// One recording, where nobody works at it.
const ONE_LEFT: &str =
    concat!("SELECT ", recording_columns!(), " FROM recordings WHERE recording_sid = $1 AND ", is_left!(""));

/// A page for a sweep that takes what it finds: `$6` the time now; what was taken from `$7` to `$8` is left out. Until
/// it is kept the rows are locked, and what another has locked is left to it.
fn take(lock_free_rows: &str) -> String {
    let untaken = " AND (recordings.steps_queued_at IS NULL OR recordings.steps_queued_at < $7 \
                   OR recordings.steps_queued_at > $8)";
    format!(
        "WITH taken AS MATERIALIZED ({} ORDER BY recording_sid LIMIT $5) \
         UPDATE recordings SET steps_queued_at = $6 WHERE recording_sid IN (SELECT recording_sid FROM taken) \
         RETURNING {}",
        may_lack(untaken, lock_free_rows),
        recording_columns!()
    )
}

impl Catalog {
    /// Recordings that lack a step and that nothing moved since `before`, in the order of their SIDs, those after
    /// `after`, at most `limit` recordings, with every step each of them lacks:
    ///
    /// - `received`: archive, whatever Twilio's word is by now
    /// - stored media that is not encrypted by Twilio, when something transcribes: each version that was asked for or
    ///   begun; the first, where there is none
    /// - stored transcripts that were not handed on, when something delivers
    /// - marked for deletion and not deleted: purge
    ///
    /// One with a live claim, or one that ended only after `before`, is not stuck: work that fails and waits for its
    /// next attempt moves too, and must not be queued once more by every pass. One that stands still for a reason (its
    /// error says which) waits for an operator, unless it is to be deleted.
    ///
    /// # Errors
    /// What the database said.
    pub async fn stuck(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<Stuck>, CatalogError> {
        let mut last = after.map(RecordingSid::to_string).unwrap_or_default();
        loop {
            let rows = self.read_all(bind(sqlx::query(AssertSqlSafe(page())), expects, before, &last, limit)).await?;
            let rows = sorted(&rows)?;
            let Some(newest) = rows.last() else { return Ok(Vec::new()) };
            last = newest.recording_sid.to_string();
            let sids: Vec<_> = rows.iter().map(|row| row.recording_sid.clone()).collect();
            let stuck = stuck(rows, self.transcripts_of(&sids).await?, expects);
            // An empty page must mean that there is nothing more.
            if !stuck.is_empty() {
                return Ok(stuck);
            }
        }
    }

    /// The same, for `sweep` to queue: what a sweep took lately is left out. So two at the same time share the work and
    /// neither waits for the other, and a backlog that nobody works at is not queued once more by every pass.
    ///
    /// # Errors
    /// What the database said; nothing is taken then.
    pub async fn take_stuck(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        sweep: Sweep,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Taken<Stuck>, CatalogError> {
        let mut last = after.map(RecordingSid::to_string).unwrap_or_default();
        let take = take(self.dialect.lock_free_rows);
        loop {
            let mut transaction = self.begin().await?;
            let query = bind(sqlx::query(AssertSqlSafe(take.clone())), expects, before, &last, limit)
                .bind(sweep.now.timestamp_millis())
                .bind(sweep.again_before.timestamp_millis())
                .bind(sweep.believed_until_ms());
            let rows = sorted(&transaction.fetch_all(query).await?)?;
            let Some(newest) = rows.last() else { return Ok(Taken::nothing()) };
            last = newest.recording_sid.to_string();
            let mut transcripts = HashMap::new();
            for row in &rows {
                let sid = &row.recording_sid;
                transcripts.insert(sid.clone(), transaction.transcripts(sid).await?);
            }
            let items = stuck(rows, transcripts, expects);
            if !items.is_empty() {
                return Ok(Taken { items, transaction: Some(transaction) });
            }
        }
    }

    /// The steps that one recording lacks, as [`Catalog::stuck`] finds them: none where it moved since `before`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn stuck_work(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        sid: &RecordingSid,
    ) -> Result<Vec<StuckWork>, CatalogError> {
        let query = sqlx::query(ONE_LEFT).bind(sid.as_str()).bind(before.timestamp_millis());
        let Some(row) = self.read_optional(query).await? else { return Ok(Vec::new()) };
        let transcripts = self.transcripts(sid).await?;
        Ok(missing(&RecordingRow::read(&row)?, &transcripts, expects))
    }
}

fn bind<'q>(
    query: Query<'q, Any, AnyArguments>,
    expects: Expects,
    before: DateTime<Utc>,
    last: &str,
    limit: u32,
) -> Query<'q, Any, AnyArguments> {
    query
        .bind(last.to_owned())
        .bind(before.timestamp_millis())
        .bind(i64::from(expects.transcribe))
        .bind(i64::from(expects.deliver))
        .bind(i64::from(limit))
}

/// In the order of the pages; `RETURNING` promises none.
fn sorted(rows: &[AnyRow]) -> Result<Vec<RecordingRow>, CatalogError> {
    let mut rows = rows.iter().map(RecordingRow::read).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|one, two| one.recording_sid.cmp(&two.recording_sid));
    Ok(rows)
}

fn stuck(
    rows: Vec<RecordingRow>,
    mut transcripts: HashMap<RecordingSid, Vec<TranscriptRow>>,
    expects: Expects,
) -> Vec<Stuck> {
    let lacking = rows.into_iter().flat_map(|row| {
        let transcripts = transcripts.remove(&row.recording_sid).unwrap_or_default();
        let missing = missing(&row, &transcripts, expects);
        missing.into_iter().map(move |missing| Stuck { row: row.clone(), missing })
    });
    lacking.collect()
}

/// What a sweep is to queue. Deletion goes on whatever it stands still for; all else waits for an operator then.
fn missing(row: &RecordingRow, transcripts: &[TranscriptRow], expects: Expects) -> Vec<StuckWork> {
    let mut missing = Vec::new();
    if row.mark.is_some() {
        missing.push(StuckWork::Purge);
    }
    if row.error.is_none() {
        missing.extend(row.lacks(transcripts, expects));
    }
    missing
}

#[cfg(test)]
mod tests;
