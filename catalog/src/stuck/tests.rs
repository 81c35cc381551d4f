//! What a sweep reads. That the answers are right is shown by the contract suite.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{AssertSqlSafe, Row};

use super::*;

/// SQLite's plan, a step a line: <https://www.sqlite.org/eqp.html>.
async fn plan(catalog: &Catalog) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {MAY_LACK}");
    let query = sqlx::query(AssertSqlSafe(explain)).bind("").bind(0).bind(1).bind(1).bind(500);
    let steps = query.fetch_all(&catalog.readers).await.unwrap();
    steps.iter().map(|step| step.try_get::<String, _>("detail").unwrap() + "\n").collect()
}

#[tokio::test]
async fn what_twilio_encrypted_is_not_read_again_by_every_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    let plan = plan(&catalog).await;
    assert!(plan.contains("INDEX recordings_to_transcribe "), "{plan}");
    assert!(!plan.contains("SCAN recordings\n"), "{plan}");
}
