//! What a sweep reads. That the answers are right is shown by the contract suite.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{AssertSqlSafe, Executor, Row};

use super::*;
use crate::contract::server::Database;
use crate::dialect::POSTGRES;

const INDEXES: [&str; 5] = [
    "recordings_received",
    "recordings_marked",
    "recordings_to_transcribe",
    "transcripts_unfinished",
    "transcripts_undelivered",
];

#[tokio::test]
async fn sweep_reads_each_partial_index_and_never_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    catalog.migrate().await.unwrap();
    for sql in [page(), take("")] {
        // A step a line: <https://www.sqlite.org/eqp.html>.
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let query = sqlx::query(AssertSqlSafe(explain)).bind("").bind(0).bind(1).bind(1).bind(500);
        let steps = catalog.read_all(query).await.unwrap();
        let plan: String = steps.iter().map(|step| step.try_get::<String, _>("detail").unwrap() + "\n").collect();
        for index in INDEXES {
            assert!(plan.contains(&format!("INDEX {index} ")), "{index}:\n{plan}");
        }
        assert!(!plan.contains("SCAN recordings\n") && !plan.contains("SCAN transcripts\n"), "{plan}");
    }
}

/// 30,000 recordings of which every third waits for its archive, as in a backfill: a page reads 500 of these.
#[tokio::test]
async fn page_of_a_backlog_on_a_server_costs_what_is_on_it() {
    let database = Database::migrated().await;
    let mut session = database.session().await;
    let fill = "INSERT INTO recordings (recording_sid, account_sid, status, twilio_status, started_at, received_at, \
                updated_at) SELECT 'RE' || md5(n::text), 'AC' || md5('1'), \
                CASE WHEN n % 3 = 0 THEN 'received' ELSE 'absent' END, 'completed', n, n, 0 \
                FROM generate_series(1, 30000) AS n";
    session.execute(fill).await.unwrap();
    session.execute("ANALYZE recordings").await.unwrap();
    let take = take(POSTGRES.lock_free_rows);
    let prepare = format!("PREPARE sweep (text, bigint, bigint, bigint, bigint, bigint, bigint, bigint) AS {take}");
    session.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain = "EXPLAIN (ANALYZE, BUFFERS) EXECUTE sweep ('RE4', 1, 1, 1, 500, 2, 1, 3)";
    for _ in 0..8 {
        let plan = session.fetch_all(explain).await.unwrap();
        let plan: String = plan.iter().map(|step| step.get::<String, _>(0) + "\n").collect();
        let scan = plan.lines().find(|line| line.contains("Index Scan using recordings_received "));
        assert!(scan.is_some_and(|scan| scan.contains(" rows=500 loops=1")), "{plan}");
        // By an alias: in one of the ways. What is updated in a table of this size may well be looked for from end to
        // end.
        assert!(!plan.contains("Seq Scan on recordings recordings_"), "{plan}");
    }
}
