//! What SQLite says in trouble, and what is made of it. The trouble is made with its own switches, which give the very
//! codes that a full disk, a lock or a read-only file give.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use tempfile::TempDir;

use super::*;
use crate::{AuditEntry, CatalogError};

async fn migrated() -> (Catalog, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    (catalog, folder)
}

/// What the writer's connection says to `sql`.
async fn said(catalog: &Catalog, sql: impl Into<String>) -> Result<Option<AnyRow>, sqlx::Error> {
    let mut connection = catalog.writers.take().await.unwrap();
    let said = connection.fetch_optional(AssertSqlSafe(sql.into())).await;
    connection.give_back();
    said
}

/// What a write meets while `pragma` is set on the writer's connection.
async fn written_under(catalog: &Catalog, pragma: &str) -> Result<(), CatalogError> {
    said(catalog, format!("PRAGMA {pragma}")).await.unwrap();
    let long = "so long that it needs a page of its own. ".repeat(200);
    let entry = AuditEntry { actor: "anna".to_owned(), action: "show".to_owned(), recording_sid: None, detail: long };
    catalog.audit(&entry, chrono::DateTime::UNIX_EPOCH).await
}

#[tokio::test]
async fn full_disk_is_unavailable_until_there_is_space() {
    let (catalog, _folder) = migrated().await;
    let error = written_under(&catalog, "max_page_count = 1").await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("disk is full"), "{error:?}");
    let lengths = ["max_page_count = 1", "max_page_count = 1000"];
    let written = [written_under(&catalog, lengths[0]).await, written_under(&catalog, lengths[1]).await];
    assert!(matches!(written, [Err(CatalogError::Unavailable { .. }), Ok(())]), "{written:?}");
}

#[tokio::test]
async fn locked_catalog_is_unavailable_until_it_is_unlocked() {
    let (catalog, folder) = migrated().await;
    let other = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    let lock = other.begin().await.unwrap();
    let error = written_under(&catalog, "busy_timeout = 1").await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("locked"), "{error:?}");
    catalog.counts().await.unwrap();
    lock.rollback().await.unwrap();
    written_under(&catalog, "busy_timeout = 1").await.unwrap();
}

#[tokio::test]
async fn read_only_catalog_is_denied() {
    let (catalog, _folder) = migrated().await;
    let error = written_under(&catalog, "query_only = ON").await.unwrap_err();
    assert!(matches!(error, CatalogError::Denied { .. }) && !error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn every_commit_reaches_the_disk() {
    let (catalog, _folder) = migrated().await;
    let row = async |pragma: &str| said(&catalog, pragma).await.unwrap().unwrap();
    let number = async |pragma: &str| row(pragma).await.try_get::<i64, _>(0).unwrap();
    assert_eq!(row("PRAGMA journal_mode").await.try_get::<String, _>(0).unwrap(), "wal");
    assert_eq!(number("PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(number("PRAGMA foreign_keys").await, 1);
    assert_eq!(number("PRAGMA secure_delete").await, 1);
}

#[tokio::test]
async fn schema_refuses_to_mark_what_is_held() {
    let (catalog, _folder) = migrated().await;
    let held_and_marked = "INSERT INTO recordings (recording_sid, account_sid, status, twilio_status, received_at, \
                           updated_at, is_held, marked_at) VALUES ('RE', 'AC', 'received', '', 0, 0, 1, 0)";
    let error = said(&catalog, held_and_marked).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("CHECK constraint"), "{error}");
}

#[tokio::test]
async fn schema_of_a_newer_version_is_left_alone() {
    let (catalog, _folder) = migrated().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    said(&catalog, newer).await.unwrap();
    assert_eq!(catalog.migrate().await.unwrap(), 0);
    catalog.check().await.unwrap();
}

#[tokio::test]
async fn altered_migration_is_refused() {
    let (catalog, _folder) = migrated().await;
    said(&catalog, "UPDATE _sqlx_migrations SET checksum = x'00'").await.unwrap();
    let error = catalog.migrate().await.unwrap_err();
    assert!(matches!(error, CatalogError::Migration { .. }), "{error:?}");
}
