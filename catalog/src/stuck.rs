//! What lacks a step and has not moved for a while: the sweep that finds work whose job was lost.

use chrono::{DateTime, Utc};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use twilio::RecordingSid;

use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::{RecordingRow, recording_columns};
use crate::sweep::Sweep;
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
    () => {
        "(recordings.error IS NULL OR recordings.marked_at IS NOT NULL) AND recordings.updated_at < $2 \
         AND NOT EXISTS (SELECT 1 FROM claims \
         WHERE claims.recording_sid = recordings.recording_sid AND claims.expires_at > $2)"
    };
}

/// The ways to lack a step: the table whose partial index finds it, and the condition of that index, word for word. `$3` and
/// `$4` whether something transcribes and delivers.
const WAYS: [(&str, &str); 5] = [
    ("recordings", "status = 'received'"),
    ("recordings", "marked_at IS NOT NULL AND status <> 'deleted'"),
    (
        "recordings",
        "status = 'archived' AND transcripts_deleted_at IS NULL AND encryption IS NULL AND media_state = 'stored' \
         AND $3 = 1",
    ),
    ("transcripts", "state <> 'stored' AND $3 = 1"),
    ("transcripts", "state = 'stored' AND delivered_at IS NULL AND object IS NOT NULL AND $4 = 1"),
];

/// The SIDs of those that may lack a step, the first of them in each way: so many that no other can be on the page, and no
/// more are read. `$1` the recording to go on after, `$5` how many. `end` is appended to the statement of each way.
fn may_lack(condition: &str, end: &str) -> String {
    let ways = WAYS.iter().enumerate().map(|(number, (table, lacks))| {
        let join = if *table == "recordings" { "" } else { " JOIN recordings USING (recording_sid)" };
        format!(
            "SELECT recording_sid FROM (SELECT {table}.recording_sid FROM {table}{join} \
             WHERE {lacks} AND {table}.recording_sid > $1 AND {is_left}{condition} \
             ORDER BY {table}.recording_sid LIMIT $5{end}) AS way_{number}",
            is_left = is_left!()
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
const LEFT: &str =
    concat!("SELECT ", recording_columns!(), " FROM recordings WHERE recording_sid = $1 AND ", is_left!());

/// A page for a sweep that takes what it finds: `$6` the time now, `$7` since when what was taken is left out. Until the rows
/// are marked they are locked, and what another has locked is left to it.
fn take(lock_free_rows: &str) -> String {
    let untaken = " AND (recordings.steps_queued_at IS NULL OR recordings.steps_queued_at < $7)";
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
    /// One with a live claim, or one that ended only after `before`, is not stuck: work that fails and waits for its next
    /// attempt moves too, and must not be queued once more by every pass. One that stands still for a reason
    /// (its error says which) waits for an operator, unless it is to be deleted.
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
        self.stuck_page(expects, before, None, after, limit).await
    }

    /// The same, for `sweep` to queue: what a sweep took lately is left out. So two at the same time share the work and
    /// neither waits for the other, and a backlog that nobody works at is not queued once more by every pass. One that is
    /// taken and not queued, because the sweep was broken off, is found once that is long enough ago.
    ///
    /// # Errors
    /// What the database said; of what was taken then, nothing is lost.
    pub async fn take_stuck(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        sweep: Sweep,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<Stuck>, CatalogError> {
        self.stuck_page(expects, before, Some(sweep), after, limit).await
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
        let query = sqlx::query(LEFT).bind(sid.as_str()).bind(before.timestamp_millis());
        let Some(row) = self.read_optional(query).await? else { return Ok(Vec::new()) };
        let transcripts = self.transcripts(sid).await?;
        Ok(missing(&RecordingRow::read(&row)?, &transcripts, expects))
    }

    async fn stuck_page(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        sweep: Option<Sweep>,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<Stuck>, CatalogError> {
        let mut last = after.map(RecordingSid::to_string).unwrap_or_default();
        loop {
            let rows = self.may_lack(expects, before, sweep, &last, limit).await?;
            let Some(newest) = rows.last() else { return Ok(Vec::new()) };
            last = newest.recording_sid.to_string();
            let sids: Vec<_> = rows.iter().map(|row| row.recording_sid.clone()).collect();
            let mut transcripts = self.transcripts_of(&sids).await?;
            let mut stuck = Vec::new();
            for row in rows {
                let transcripts = transcripts.remove(&row.recording_sid).unwrap_or_default();
                let missing = missing(&row, &transcripts, expects);
                stuck.extend(missing.into_iter().map(|missing| Stuck { row: row.clone(), missing }));
            }
            // An empty page must mean that there is nothing more.
            if !stuck.is_empty() {
                return Ok(stuck);
            }
        }
    }

    async fn may_lack(
        &self,
        expects: Expects,
        before: DateTime<Utc>,
        sweep: Option<Sweep>,
        last: &str,
        limit: u32,
    ) -> Result<Vec<RecordingRow>, CatalogError> {
        let bind = |query: Query<'static, Any, AnyArguments>| {
            query
                .bind(last.to_owned())
                .bind(before.timestamp_millis())
                .bind(i64::from(expects.transcribe))
                .bind(i64::from(expects.deliver))
                .bind(i64::from(limit))
        };
        let rows = match sweep {
            None => self.read_all(bind(sqlx::query(AssertSqlSafe(page())))).await?,
            Some(sweep) => {
                let take = bind(sqlx::query(AssertSqlSafe(take(self.dialect.lock_free_rows))));
                let take = take.bind(sweep.now.timestamp_millis()).bind(sweep.again_before.timestamp_millis());
                let mut transaction = self.begin().await?;
                let rows = transaction.fetch_all(take).await?;
                transaction.commit().await?;
                rows
            }
        };
        let mut rows = rows.iter().map(RecordingRow::read).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by(|one, two| one.recording_sid.cmp(&two.recording_sid));
        Ok(rows)
    }
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
