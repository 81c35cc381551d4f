//! Looking at recordings, and writing down why one stands still.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Row, Type};
use twilio::{CallSid, RecordingSid};

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::{RecordingRow, recording_columns};
use crate::words::{Status, Work};

/// SIDs asked for in one statement.
const SIDS_AT_ONCE: usize = 250;

/// Which recordings to list; what is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Those that stand here.
    pub status: Option<Status>,
    /// Those that started at this time or later (heard of, where the start is unknown).
    pub since: Option<DateTime<Utc>>,
    /// Those that started before this time.
    pub until: Option<DateTime<Utc>>,
    /// Those of this call.
    pub call: Option<CallSid>,
    /// At most so many.
    pub limit: u32,
}

impl Catalog {
    /// One recording; `None` where nobody told us of it. A deleted one is still there, as a tombstone.
    ///
    /// # Errors
    /// What the database said.
    pub async fn recording(&self, sid: &RecordingSid) -> Result<Option<RecordingRow>, CatalogError> {
        let select = concat!("SELECT ", recording_columns!(), " FROM recordings WHERE recording_sid = $1");
        let row = self.read_optional(sqlx::query(select).bind(sid.as_str())).await?;
        Ok(row.as_ref().map(RecordingRow::read).transpose()?)
    }

    /// Recordings, newest start first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<RecordingRow>, CatalogError> {
        // Only what narrows is in the statement: a database plans `$1 IS NULL OR …` badly.
        let mut sql = concat!("SELECT ", recording_columns!(), " FROM recordings WHERE TRUE").to_owned();
        let mut values = AnyArguments::default();
        if let Some(status) = filter.status {
            sql += &format!(" AND status = ${}", add(&mut values, status.as_str())?);
        }
        if let Some(call) = &filter.call {
            sql += &format!(" AND call_sid = ${}", add(&mut values, call.as_str())?);
        }
        if let Some(since) = filter.since {
            sql += &format!(" AND retention_from >= ${}", add(&mut values, since.timestamp_millis())?);
        }
        if let Some(until) = filter.until {
            sql += &format!(" AND retention_from < ${}", add(&mut values, until.timestamp_millis())?);
        }
        let limit = add(&mut values, i64::from(filter.limit))?;
        sql += &format!(" ORDER BY retention_from DESC, recording_sid DESC LIMIT ${limit}");
        let rows = self.read_all(sqlx::query_with(AssertSqlSafe(sql), values)).await?;
        Ok(rows.iter().map(RecordingRow::read).collect::<Result<_, _>>()?)
    }

    /// Those of `sids` that anyone ever told us of.
    ///
    /// # Errors
    /// What the database said.
    pub async fn known(&self, sids: &[RecordingSid]) -> Result<HashMap<RecordingSid, RecordingRow>, CatalogError> {
        Ok(self.recordings(sids).await?.into_iter().map(|row| (row.recording_sid.clone(), row)).collect())
    }

    /// Which of `sids` may own objects that `made_by` makes; not the unknown ones and those of which they were deleted.
    ///
    /// The answer is a hint: [`Catalog::grant_stray`] decides.
    ///
    /// # Errors
    /// What the database said.
    pub async fn keeping(&self, sids: &[RecordingSid], made_by: Work) -> Result<HashSet<RecordingSid>, CatalogError> {
        let rows = self.recordings(sids).await?;
        Ok(rows.into_iter().filter(|row| !row.has_lost(made_by)).map(|row| row.recording_sid).collect())
    }

    /// Those of `sids` that there are, in no order.
    async fn recordings(&self, sids: &[RecordingSid]) -> Result<Vec<RecordingRow>, CatalogError> {
        let select = concat!("SELECT ", recording_columns!(), " FROM recordings WHERE recording_sid IN");
        let rows = self.read_all_of(select, sids).await?;
        Ok(rows.iter().map(RecordingRow::read).collect::<Result<_, _>>()?)
    }

    /// What a statement that ends in `IN` reads of `sids`.
    pub(crate) async fn read_all_of(
        &self,
        select: &'static str,
        sids: &[RecordingSid],
    ) -> Result<Vec<AnyRow>, CatalogError> {
        let mut rows = Vec::new();
        for chunk in sids.chunks(SIDS_AT_ONCE) {
            let places: Vec<_> = (1..=chunk.len()).map(|place| format!("${place}")).collect();
            let mut query = sqlx::query(AssertSqlSafe(format!("{select} ({})", places.join(", "))));
            for sid in chunk {
                query = query.bind(sid.as_str());
            }
            rows.extend(self.read_all(query).await?);
        }
        Ok(rows)
    }

    /// How many recordings stand where; each status is there, at 0 too.
    ///
    /// # Errors
    /// What the database said.
    pub async fn counts(&self) -> Result<BTreeMap<Status, u64>, CatalogError> {
        let mut counts: BTreeMap<_, _> = Status::ALL.iter().map(|status| (*status, 0)).collect();
        for row in self.read_all(sqlx::query("SELECT status, COUNT(*) FROM recordings GROUP BY status")).await? {
            counts.insert(Columns(&row).parsed("status")?, row.try_get::<i64, _>(1)?.unsigned_abs());
        }
        Ok(counts)
    }

    /// Writes down why the recording's archive or transcription was given up: it is `failed` with that reason, until
    /// the work is done after all. One that has a transcript stays `transcribed` and has the reason noted; `absent` and
    /// `deleted` are final, and nothing is written.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; what the database said.
    pub async fn fail(&self, sid: &RecordingSid, error: &str, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut change = self.change(sid).await?;
        let status = match change.row.status {
            Status::Absent | Status::Deleted => return Ok(()),
            Status::Transcribed => Status::Transcribed,
            Status::Received | Status::Archived | Status::Failed => Status::Failed,
        };
        let update =
            sqlx::query("UPDATE recordings SET status = $1, error = $2, updated_at = $3 WHERE recording_sid = $4")
                .bind(status.as_str())
                .bind(error)
                .bind(now.timestamp_millis())
                .bind(sid.as_str());
        change.execute(update).await?;
        change.commit().await
    }

    /// Writes down why other work on the recording was given up, delivery or deletion; its status stays. Nothing is
    /// written on a tombstone.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; what the database said.
    pub async fn note_error(&self, sid: &RecordingSid, error: &str, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut change = self.change(sid).await?;
        if change.row.status == Status::Deleted {
            return Ok(());
        }
        let update = sqlx::query("UPDATE recordings SET error = $1, updated_at = $2 WHERE recording_sid = $3")
            .bind(error)
            .bind(now.timestamp_millis())
            .bind(sid.as_str());
        change.execute(update).await?;
        change.commit().await
    }
}

/// Adds a value and returns the number of its place in the statement.
fn add<'v>(values: &mut AnyArguments, value: impl Encode<'v, Any> + Type<Any>) -> Result<usize, CatalogError> {
    values.add(value).map_err(sqlx::Error::Encode)?;
    Ok(values.len())
}
