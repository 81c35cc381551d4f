//! What Twilio is told while the queue can't take a callback.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use crate::harness::*;

/// A second connection to the queue's file, as a backup tool or a stray shell might hold.
async fn intruder(service: &Service) -> SqliteConnection {
    let url = format!("sqlite:{}", service.folder.path().join("queue.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(connection).await.unwrap();
}

#[tokio::test]
async fn callback_is_not_accepted_before_the_queue_confirmed() {
    let service = Setup { publish_timeout: Duration::from_millis(300), ..Setup::default() }.start().await;
    let mut intruder = intruder(&service).await;
    run(&mut intruder, "BEGIN IMMEDIATE").await;
    let answer = service.send(&Callback::recording()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.detail().contains("did not confirm the callback in time"), "{answer:?}");
    run(&mut intruder, "ROLLBACK").await;
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
    assert!(!service.queued().await.is_empty());
}

#[tokio::test]
async fn broken_queue_is_unavailable_until_it_is_mended() {
    let service = start().await;
    let mut intruder = intruder(&service).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'",
    )
    .fetch_all(&mut intruder)
    .await
    .unwrap();
    assert!(!tables.is_empty());
    rename(&mut intruder, &tables, "", "_away").await;
    let answer = service.send(&Callback::recording()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));

    rename(&mut intruder, &tables, "_away", "").await;
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
    assert_eq!(service.queued().await.len(), 1);
}

#[tokio::test]
async fn locked_queue_is_not_ready_but_alive() {
    let service = start().await;
    let mut intruder = intruder(&service).await;
    run(&mut intruder, "BEGIN IMMEDIATE").await;
    let probe = service.get("/readyz").await;
    assert_eq!(probe.status, 503);
    assert!(probe.detail().contains("queue"), "{probe:?}");
    assert_eq!(service.get("/healthz").await.status, 200);
    run(&mut intruder, "ROLLBACK").await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

async fn rename(connection: &mut SqliteConnection, tables: &[String], from: &str, to: &str) {
    for table in tables {
        let statement = format!("ALTER TABLE {table}{from} RENAME TO {table}{to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
    }
}
