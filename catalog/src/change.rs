//! A change to one recording: one transaction that begins by locking its row.

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyQueryResult};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};
use twilio::RecordingSid;

use crate::claims::Claim;
use crate::connect::Catalog;
use crate::error::{CatalogError, Refusal};
use crate::row::{RecordingRow, recording_columns};
use crate::session::Transaction;
use crate::words::{Status, Work};

/// The transaction and the row as it was when the lock was taken: nobody else changes the recording, its claims, its
/// holds or its transcripts until this ends. Dropping it changes nothing.
pub(crate) struct Change {
    pub(crate) row: RecordingRow,
    transaction: Transaction,
}

impl Catalog {
    pub(crate) async fn change(&self, sid: &RecordingSid) -> Result<Change, CatalogError> {
        let mut transaction = self.begin().await?;
        let row = self.lock(&mut transaction, sid).await?;
        let row = row.ok_or_else(|| CatalogError::UnknownRecording(sid.clone()))?;
        Ok(Change { row, transaction })
    }

    /// A change in the name of `claim`: refused unless that is a claim to `work`, and the newest one.
    pub(crate) async fn change_under(&self, claim: &Claim, work: Work) -> Result<Change, CatalogError> {
        let mut change = self.change(claim.recording_sid()).await?;
        let select = sqlx::query("SELECT fence FROM claims WHERE recording_sid = $1 AND work = $2")
            .bind(claim.recording_sid().as_str())
            .bind(work.as_str());
        let newest = change.transaction.fetch_optional(select).await?;
        let newest: Option<i64> = newest.map(|row| row.try_get(0)).transpose()?;
        if claim.work() != work || newest != Some(claim.fence()) {
            return Err(CatalogError::ClaimLost);
        }
        Ok(change)
    }

    pub(crate) async fn lock(
        &self,
        transaction: &mut Transaction,
        sid: &RecordingSid,
    ) -> Result<Option<RecordingRow>, CatalogError> {
        let select = concat!("SELECT ", recording_columns!(), " FROM recordings WHERE recording_sid = $1");
        let select = sqlx::query(AssertSqlSafe(format!("{select}{}", self.dialect.lock_row))).bind(sid.as_str());
        let row = transaction.fetch_optional(select).await?;
        Ok(row.as_ref().map(RecordingRow::read).transpose()?)
    }
}

impl Change {
    pub(crate) fn sid(&self) -> &str {
        self.row.recording_sid.as_str()
    }

    /// What may not be added to any more: a tombstone, and what is being deleted.
    pub(crate) fn refuse_if_going(&self) -> Result<(), Refusal> {
        match self.row.status {
            Status::Deleted => Err(Refusal::Deleted),
            _ if self.row.is_marked => Err(Refusal::Marked),
            _ => Ok(()),
        }
    }

    pub(crate) async fn execute(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyQueryResult, CatalogError> {
        self.transaction.execute(query).await
    }

    /// Sets columns of the row, `updated_at` among them; `$1` is `now`.
    pub(crate) async fn set(&mut self, columns: &'static str, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let update = format!("UPDATE recordings SET {columns}, updated_at = $1 WHERE recording_sid = $2");
        let sid = self.sid().to_owned();
        self.execute(sqlx::query(AssertSqlSafe(update)).bind(now.timestamp_millis()).bind(sid)).await.map(|_| ())
    }

    /// The first column of the first row, of a query that always has one.
    pub(crate) async fn number(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<i64, CatalogError> {
        Ok(self.transaction.fetch_one(query).await?.try_get(0)?)
    }

    pub(crate) fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        self.transaction.commit().await
    }
}
