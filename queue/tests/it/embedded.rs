//! The embedded engine.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use queue::contract::Engine;
use queue::{Clock, Job, Lane, Options, Queue, QueueError, Settlement, Stage};

const LEASE: Duration = Duration::from_secs(1);

/// A file of its own.
struct Embedded {
    folder: tempfile::TempDir,
}

impl Embedded {
    fn path(&self) -> String {
        self.folder.path().join("below/queue.db").display().to_string()
    }
}

async fn fresh() -> Embedded {
    Embedded { folder: tempfile::tempdir().unwrap() }
}

async fn open(url: &str, clock: Clock) -> Result<Arc<dyn Queue>, QueueError> {
    queue::open(url, Options { lease: LEASE, clock }).await
}

#[async_trait]
impl Engine for Embedded {
    async fn open(&self) -> Arc<dyn Queue> {
        open(&format!("sqlite:{}", self.path()), Clock::System).await.unwrap()
    }

    async fn publish_raw(&self, stage: Stage, body: &str) {
        let database = sqlx::SqlitePool::connect(&self.path()).await.unwrap();
        let insert = "INSERT INTO messages (stage, body, published_at, visible_at) VALUES ($1, $2, 0, 0)";
        sqlx::query(insert).bind(stage.as_str()).bind(body).execute(&database).await.unwrap();
    }
}

queue::contract_tests!(crate::embedded::fresh);

fn job(number: u32) -> Job {
    Job::PurgeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
    }
}

/// SQLite does not wait by itself for the lock under which a new file's write-ahead log is turned on. Each opens it
/// from a thread of its own, as processes do; a few in a hundred meet that lock.
#[test]
fn new_file_is_opened_by_many_at_once() {
    for _ in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let (url, all) = (format!("sqlite:{}", folder.path().join("queue.db").display()), Barrier::new(3));
        let opened = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            all.wait();
            runtime.block_on(open(&url, Clock::System)).map(drop)
        };
        thread::scope(|scope| {
            for thread in [(); 3].map(|()| scope.spawn(opened)) {
                thread.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test]
async fn oldest_visible_message_comes_first() {
    let engine = fresh().await;
    let queue = engine.open().await;
    for number in 0..5 {
        queue.publish(&job(number), Duration::ZERO).await.unwrap();
    }
    let received = queue.receive(Lane::live(Stage::Purge), 5, Duration::ZERO).await.unwrap();
    let received: Vec<Job> = received.iter().map(|delivery| delivery.job().unwrap()).collect();
    assert_eq!(received, (0..5).map(job).collect::<Vec<_>>());
}

#[tokio::test]
async fn delivery_without_a_lease_keeps_its_place_until_it_is_settled() {
    let engine = fresh().await;
    let options = Options { lease: Duration::ZERO, clock: Clock::System };
    let queue = queue::open(&format!("sqlite:{}", engine.path()), options).await.unwrap();
    for number in 0..3 {
        queue.publish(&job(number), Duration::ZERO).await.unwrap();
    }
    for expected in [0, 0, 1, 2] {
        let delivery = queue.receive(Lane::live(Stage::Purge), 1, Duration::ZERO).await.unwrap().remove(0);
        assert_eq!(delivery.job().unwrap(), job(expected));
        // The first one is taken in hand twice.
        if (delivery.attempt, expected) != (1, 0) {
            queue.settle(delivery, Settlement::Ack).await.unwrap();
        }
    }
}

#[tokio::test]
async fn delay_of_days_goes_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("queue.db").display());
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let queue = open(&url, clock.clone()).await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    queue.publish(&job(1), 3 * day).await.unwrap();
    for expected in [0, 0, 1] {
        clock.advance(day);
        assert_eq!(queue.receive(Lane::live(Stage::Purge), 1, Duration::ZERO).await.unwrap().len(), expected);
    }
}

#[tokio::test]
async fn unknown_scheme_is_named() {
    let error = open("kafka:broker", Clock::System).await.unwrap_err();
    assert!(matches!(&error, QueueError::Unsupported(problem) if problem.starts_with("kafka ")), "{error}");
}

#[tokio::test]
async fn file_that_is_no_database_is_said_to_be_damaged() {
    let engine = fresh().await;
    std::fs::create_dir_all(engine.folder.path().join("below")).unwrap();
    std::fs::write(engine.path(), vec![7; 8192]).unwrap();
    let damaged = open(&format!("sqlite:{}", engine.path()), Clock::System).await;
    assert!(matches!(damaged, Err(QueueError::Corrupt { .. })), "{damaged:?}");
}

#[tokio::test]
async fn file_of_an_earlier_version_keeps_its_messages_and_takes_a_backfills() {
    let engine = fresh().await;
    std::fs::create_dir_all(engine.folder.path().join("below")).unwrap();
    let create = sqlx::sqlite::SqliteConnectOptions::new().filename(engine.path()).create_if_missing(true);
    let database = sqlx::SqlitePool::connect_with(create).await.unwrap();
    let version_1 = "
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY, stage TEXT NOT NULL, is_dead INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0, published_at INTEGER NOT NULL, visible_at INTEGER NOT NULL,
            lease_token TEXT, died_at INTEGER, reason TEXT
        );
        CREATE INDEX messages_to_receive ON messages (stage, is_dead, visible_at, id);
        PRAGMA user_version = 1;";
    sqlx::raw_sql(version_1).execute(&database).await.unwrap();
    database.close().await;
    engine.publish_raw(Stage::Archive, "before").await;
    let queue = engine.open().await;
    assert_eq!(queue.depth(Stage::Archive).await.unwrap(), queue::Depth { ready: 1, ..Default::default() });
    let account_sid = job(1).account_sid().clone();
    let old =
        Job::DeliverV1 { account_sid, recording_sid: job(1).recording_sid().clone(), version: 1, is_backfill: true };
    queue.publish(&old, Duration::ZERO).await.unwrap();
    assert_eq!(queue.receive(Lane::backfill(Stage::Deliver), 1, Duration::ZERO).await.unwrap().len(), 1);
}

#[tokio::test]
async fn dead_letter_that_an_older_process_parked_of_a_backfill_can_be_redriven() {
    let engine = fresh().await;
    let queue = engine.open().await;
    let Job::PurgeV1 { account_sid, recording_sid } = job(1) else { panic!("a purge") };
    let old = Job::DeliverV1 { account_sid, recording_sid, version: 1, is_backfill: true };
    queue.publish(&old, Duration::ZERO).await.unwrap();
    let database = sqlx::SqlitePool::connect(&format!("sqlite:{}", engine.path())).await.unwrap();
    // As version 2 did.
    let parked = "UPDATE messages SET lease_token = NULL, is_dead = 1, visible_at = 0, died_at = 0, reason = 'parked'";
    sqlx::query(parked).execute(&database).await.unwrap();
    assert_eq!(queue::redrive(queue.as_ref(), Stage::Deliver, 10).await.unwrap(), 1);
    assert_eq!(queue.receive(Lane::backfill(Stage::Deliver), 1, Duration::ZERO).await.unwrap().len(), 1);
}
