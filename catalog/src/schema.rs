//! Keeping the schema: bringing it up to date, seeing that it is, and that its tables may be used.

use sqlx::migrate::Migrate;
use sqlx::{Connection, Executor, Row};

use crate::connect::Catalog;
use crate::error::CatalogError;

/// Every way in which every table is used, of no row.
const USES: [&str; 14] = [
    "INSERT INTO calls (call_sid, account_sid, first_heard_at) \
     SELECT call_sid, account_sid, first_heard_at FROM calls WHERE FALSE",
    "UPDATE calls SET first_heard_at = 0 WHERE FALSE",
    "INSERT INTO recordings (recording_sid, account_sid, status, twilio_status, received_at, updated_at) \
     SELECT recording_sid, account_sid, status, twilio_status, received_at, updated_at FROM recordings WHERE FALSE",
    "UPDATE recordings SET updated_at = 0, purge_queued_at = 0, steps_queued_at = 0 WHERE FALSE",
    "INSERT INTO transcripts (recording_sid, version, state, requested_at) \
     SELECT recording_sid, version, state, requested_at FROM transcripts WHERE FALSE",
    "UPDATE transcripts SET words = 0 WHERE FALSE",
    "DELETE FROM transcripts WHERE FALSE",
    "INSERT INTO holds (recording_sid, reason, placed_by, placed_at) \
     SELECT recording_sid, reason, placed_by, placed_at FROM holds WHERE FALSE",
    "UPDATE holds SET placed_at = 0 WHERE FALSE",
    "INSERT INTO claims (recording_sid, work, fence, expires_at) \
     SELECT recording_sid, work, fence, expires_at FROM claims WHERE FALSE",
    "UPDATE claims SET fence = 0 WHERE FALSE",
    "INSERT INTO passes (pass, began_at) SELECT pass, began_at FROM passes WHERE FALSE",
    "UPDATE passes SET began_at = 0 WHERE FALSE",
    "INSERT INTO audit (at, actor, action, detail) SELECT at, actor, action, detail FROM audit WHERE FALSE",
];

impl Catalog {
    /// Brings the schema up to date and returns how many steps that took: 0 when it was. All steps are taken or none.
    /// Two that migrate at once take turns, and the second finds nothing to do. A schema of a newer version is left as
    /// it is.
    ///
    /// # Errors
    /// [`CatalogError::Migration`] where a step already taken differs from this version's; what the database said.
    pub async fn migrate(&self) -> Result<u64, CatalogError> {
        let mut pooled = self.writers.take().await?;
        let mut transaction = pooled.begin_with(self.dialect.begin).await?;
        let connection = &mut *transaction;
        connection.execute(self.dialect.lock_schema).await?;
        let migrations = self.dialect.migrations;
        connection.ensure_migrations_table(&migrations.table_name).await?;
        let before = connection.list_applied_migrations(&migrations.table_name).await?.len();
        migrations.run_direct(None, connection, false).await?;
        let after = connection.list_applied_migrations(&migrations.table_name).await?.len();
        transaction.commit().await?;
        pooled.give_back();
        Ok((after - before) as u64)
    }

    /// Whether its schema is the one this version needs, or a newer one.
    ///
    /// # Errors
    /// [`CatalogError::NotMigrated`]; what stands against asking.
    pub async fn check_schema(&self) -> Result<(), CatalogError> {
        let rows = self.read_all(sqlx::query("SELECT version FROM _sqlx_migrations WHERE success")).await?;
        let applied = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
        let is_applied = |step: &sqlx::migrate::Migration| applied.contains(&step.version);
        if self.dialect.migrations.iter().all(is_applied) { Ok(()) } else { Err(CatalogError::NotMigrated) }
    }

    /// Whether it can be used now: its schema is the one this version needs, or a newer one that still has all of it,
    /// and every table may be read and written.
    ///
    /// # Errors
    /// [`CatalogError::NotMigrated`], [`CatalogError::SchemaTooNew`], or what stands against it.
    pub async fn check(&self) -> Result<(), CatalogError> {
        self.check_schema().await?;
        let mut transaction = self.begin().await?;
        for statement in USES {
            transaction.execute(sqlx::query(statement)).await.map_err(|error| match error {
                CatalogError::NotMigrated => CatalogError::SchemaTooNew,
                error => error,
            })?;
        }
        transaction.rollback().await
    }
}
