//! How far a backfill has come, so that one that was broken off goes on from there.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use twilio::AccountSid;

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;

/// The days of an account's list that a backfill reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillDays {
    /// Whose list.
    pub account: AccountSid,
    /// The first day, UTC.
    pub since: NaiveDate,
    /// The last day; `None` for up to now.
    pub until: Option<NaiveDate>,
}

impl BackfillDays {
    /// Each is a row of its own among the passes: other days begin anew.
    fn name(&self) -> String {
        let until = self.until.map(|until| until.to_string()).unwrap_or_default();
        format!("backfill {} {}..{until}", self.account, self.since)
    }
}

/// Stands for a backfill that came to its end.
const NONE: DateTime<Utc> = DateTime::UNIX_EPOCH;

impl Catalog {
    /// The first day that a backfill that was broken off did not complete; `None` where it begins at its beginning.
    ///
    /// # Errors
    /// What the database said.
    pub async fn backfill_goes_on_from(&self, days: &BackfillDays) -> Result<Option<NaiveDate>, CatalogError> {
        let select = sqlx::query("SELECT began_at FROM passes WHERE pass = $1").bind(days.name());
        let row = self.read_optional(select).await?;
        let next = row.as_ref().map(|row| Columns(row).time("began_at")).transpose()?;
        Ok(next.filter(|next| *next != NONE).map(|next| next.date_naive()))
    }

    /// Writes down that every day before `next` is complete; `None` that all of it is, so that the next one begins anew.
    ///
    /// # Errors
    /// What the database said.
    pub async fn move_backfill(&self, days: &BackfillDays, next: Option<NaiveDate>) -> Result<(), CatalogError> {
        let next = next.map_or(NONE, |next| next.and_time(NaiveTime::MIN).and_utc());
        let upsert = sqlx::query(
            "INSERT INTO passes (pass, began_at) VALUES ($1, $2) \
             ON CONFLICT (pass) DO UPDATE SET began_at = excluded.began_at",
        );
        let mut transaction = self.begin().await?;
        transaction.execute(upsert.bind(days.name()).bind(next.timestamp_millis())).await?;
        transaction.commit().await
    }
}
