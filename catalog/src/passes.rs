//! When a sweep last got through, so that the next one knows from where to look.

use chrono::{DateTime, Utc};
use twilio::AccountSid;

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;

/// A way through all there is of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// Through Twilio's list of an account.
    Listing(AccountSid),
    /// Through the objects of the vault.
    Objects,
}

impl Pass {
    fn name(&self) -> String {
        match self {
            Pass::Listing(account) => format!("listing {account}"),
            Pass::Objects => "objects".to_owned(),
        }
    }
}

impl Catalog {
    /// When the last complete pass began; `None` where there was none.
    ///
    /// # Errors
    /// What the database said.
    pub async fn last_pass(&self, pass: &Pass) -> Result<Option<DateTime<Utc>>, CatalogError> {
        let select = sqlx::query("SELECT began_at FROM passes WHERE pass = $1").bind(pass.name());
        let row = self.read_optional(select).await?;
        Ok(row.as_ref().map(|row| Columns(row).time("began_at")).transpose()?)
    }

    /// Writes down that a pass that began at `began_at` is complete. The latest counts.
    ///
    /// # Errors
    /// What the database said.
    pub async fn complete_pass(&self, pass: &Pass, began_at: DateTime<Utc>) -> Result<(), CatalogError> {
        let upsert = sqlx::query(
            "INSERT INTO passes (pass, began_at) VALUES ($1, $2) \
             ON CONFLICT (pass) DO UPDATE SET began_at = excluded.began_at WHERE excluded.began_at > passes.began_at",
        );
        let mut transaction = self.begin().await?;
        transaction.execute(upsert.bind(pass.name()).bind(began_at.timestamp_millis())).await?;
        transaction.commit().await
    }
}
