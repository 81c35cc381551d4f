//! What a sweep reads. That the answers are right is shown by the contract suite.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::DateTime;
use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::Policy;

const POLICY: Policy = Policy { retention_days: 30, transcript_days: 7, twilio_delete_after_days: Some(0) };

/// SQLite's plan of `sql`, a step a line: <https://www.sqlite.org/eqp.html>.
async fn plan(catalog: &Catalog, sql: &str) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let query = bind_due(sqlx::query(AssertSqlSafe(explain)), &POLICY, DateTime::UNIX_EPOCH, None).bind(500);
    let steps = query.fetch_all(&catalog.readers).await.unwrap();
    steps.iter().map(|step| step.try_get::<String, _>("detail").unwrap() + "\n").collect()
}

#[tokio::test]
async fn sweep_reads_each_partial_index_and_never_the_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    for sql in [DUE_FOR_PURGE, OVERDUE] {
        let plan = plan(&catalog, sql).await;
        for index in ["audio_to_purge", "transcripts_to_purge", "twilio_to_purge", "to_erase", "marked"] {
            assert!(plan.contains(&format!("SEARCH recordings USING INDEX recordings_{index} ")), "{index}:\n{plan}");
        }
        assert!(!plan.contains("SCAN recordings"), "{plan}");
    }
}
