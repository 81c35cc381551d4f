//! What a sweep reads. That the answers are right is shown by the contract suite.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::DateTime;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::*;
use crate::Policy;
use crate::contract::server::Database;
use crate::dialect::POSTGRES;
use crate::take_due::take_due;

const POLICY: Policy = Policy { retention_days: 30, transcript_days: 7, twilio_delete_after_days: Some(0) };
const INDEXES: [&str; 5] = ["audio_to_purge", "transcripts_to_purge", "twilio_to_purge", "to_erase", "marked"];

/// SQLite's plan of `sql`, a step a line: <https://www.sqlite.org/eqp.html>.
async fn sqlite_plan(catalog: &Catalog, sql: &str) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let query = bind_due(sqlx::query(AssertSqlSafe(explain)), &POLICY, DateTime::UNIX_EPOCH, None).bind(500);
    let steps = catalog.read_all(query).await.unwrap();
    steps.iter().map(|step| step.try_get::<String, _>("detail").unwrap() + "\n").collect()
}

#[tokio::test]
async fn sweep_reads_each_partial_index_and_never_the_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    for sql in [due_for_purge(), overdue()] {
        let plan = sqlite_plan(&catalog, &sql).await;
        for index in INDEXES {
            assert!(plan.contains(&format!("SEARCH recordings USING INDEX recordings_{index} ")), "{index}:\n{plan}");
        }
        assert!(!plan.contains("SCAN recordings"), "{plan}");
    }
    for (way, index) in WAYS.iter().zip(INDEXES) {
        let plan = sqlite_plan(&catalog, &take_due(way, "")).await;
        assert!(plan.contains(&format!("SEARCH recordings USING INDEX recordings_{index} ")), "{index}:\n{plan}");
        assert!(!plan.contains("SCAN recordings"), "{plan}");
    }
}

#[tokio::test]
async fn question_about_one_recording_reads_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    let plan = sqlite_plan(&catalog, &is_due()).await;
    let searches = plan.matches("(recording_sid=?)").count();
    assert_eq!((searches, plan.contains("SCAN recordings")), (INDEXES.len(), false), "{plan}");
}

/// 30,000 recordings as they are in life, one a minute: the first 20 of them are due, and a few marked or to be erased.
async fn fill(session: &mut PgConnection) {
    let fill = "INSERT INTO recordings (recording_sid, account_sid, status, twilio_status, started_at, received_at, \
                updated_at, media_state, media_object, media_sha256, archived_at, has_transcripts, marked_at, \
                erase_requested_at) SELECT 'RE' || md5(n::text), 'AC' || md5('1'), 'transcribed', 'completed', \
                n * 60000, n * 60000, 0, 'stored', repeat('o', 120), repeat('5', 64), n * 60000, 1, \
                CASE WHEN n % 10000 = 0 THEN 1 END, CASE WHEN n % 9000 = 0 THEN 1 END \
                FROM generate_series(1, 30000) AS n";
    session.execute(fill).await.unwrap();
    session.execute("ANALYZE recordings").await.unwrap();
}

/// PostgreSQL's plan of `sql` after it was asked as often as it takes for the server to settle on one.
async fn postgres_plan(session: &mut PgConnection, sql: &str, (types, values): (&str, &str)) -> String {
    session.execute(AssertSqlSafe(format!("PREPARE sweep ({types}) AS {sql}"))).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE sweep ({values})");
    let mut plan = Vec::new();
    for _ in 0..8 {
        plan = session.fetch_all(AssertSqlSafe(explain.clone())).await.unwrap();
    }
    session.execute("DEALLOCATE sweep").await.unwrap();
    plan.iter().map(|step| step.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn sweep_on_a_server_reads_each_partial_index_and_never_the_whole_table() {
    let database = Database::migrated().await;
    let mut session = database.session().await;
    fill(&mut session).await;
    let due = 20 * 60_000;
    let types = "text, bigint, bigint, bigint, bigint, bigint, bigint";
    let cutoffs = format!("'', {due}, {due}, {due}, {due}, {due}, 500");
    for sql in [due_for_purge(), overdue()] {
        let plan = postgres_plan(&mut session, &sql, (types, &cutoffs)).await;
        for index in INDEXES {
            assert!(plan.contains(&format!("recordings_{index} ")), "{index}:\n{plan}");
        }
        assert!(!plan.contains("Seq Scan on recordings"), "{plan}");
    }
    for (way, index) in WAYS.iter().zip(INDEXES) {
        let after = ("bigint, bigint, text, bigint, bigint, bigint, bigint", format!("{due}, 0, '', 500, 0, 0, 0"));
        let plan = postgres_plan(&mut session, &take_due(way, POSTGRES.lock_free_rows), (after.0, &after.1)).await;
        assert!(plan.contains(&format!("Index Scan using recordings_{index} ")), "{index}:\n{plan}");
        assert!(!plan.contains("Seq Scan on recordings"), "{plan}");
    }
}
