//! `check` tells whether a publish could succeed, and a publish never succeeds where nobody could receive it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use queue::{Clock, Job, Options, Queue, QueueError, Stage, open};
use sqlx::{Connection, Executor, SqliteConnection};

struct Fixture {
    folder: tempfile::TempDir,
    queue: Arc<dyn Queue>,
}

impl Fixture {
    async fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let queue = at(&format!("sqlite:{}", folder.path().join("queue.db").display())).await.unwrap();
        Fixture { folder, queue }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }
}

async fn at(url: &str) -> Result<Arc<dyn Queue>, QueueError> {
    open(url, Options { lease: Duration::from_secs(60), clock: Clock::System }).await
}

async fn publish(queue: &dyn Queue) -> Result<(), QueueError> {
    let account_sid = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let recording_sid = "REaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    queue.publish(&Job::PurgeV1 { account_sid, recording_sid }, Duration::ZERO).await
}

#[tokio::test]
async fn check_of_a_sound_queue_leaves_nothing_in_it() {
    let fixture = Fixture::new().await;
    fixture.queue.check().await.unwrap();
    for stage in Stage::ALL {
        assert_eq!(fixture.queue.depth(stage).await.unwrap(), queue::Depth::default());
    }
}

#[tokio::test]
async fn missing_table_fails_the_check() {
    let fixture = Fixture::new().await;
    let mut intruder = SqliteConnection::connect(&format!("sqlite:{}", fixture.file().display())).await.unwrap();
    intruder.execute("DROP TABLE messages").await.unwrap();
    let checked = fixture.queue.check().await;
    assert!(matches!(checked, Err(QueueError::Unavailable { .. })), "{checked:?}");
}

#[tokio::test]
async fn file_that_was_taken_away_is_not_published_to_until_it_is_back() {
    let fixture = Fixture::new().await;
    let away = fixture.folder.path().join("away.db");
    std::fs::rename(fixture.file(), &away).unwrap();
    for outcome in [fixture.queue.check().await, publish(fixture.queue.as_ref()).await] {
        assert!(matches!(outcome, Err(QueueError::Gone(_))), "{outcome:?}");
    }
    std::fs::rename(&away, fixture.file()).unwrap();
    publish(fixture.queue.as_ref()).await.unwrap();
    assert_eq!(fixture.queue.depth(Stage::Purge).await.unwrap().ready, 1);
}

#[tokio::test]
async fn file_that_was_replaced_is_not_published_to() {
    let fixture = Fixture::new().await;
    std::fs::remove_file(fixture.file()).unwrap();
    std::fs::write(fixture.file(), "another").unwrap();
    let published = publish(fixture.queue.as_ref()).await;
    assert!(matches!(published, Err(QueueError::Gone(_))), "{published:?}");
}

#[tokio::test]
async fn url_that_sqlite_would_forget_is_refused() {
    for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:data/"] {
        assert!(matches!(at(url).await, Err(QueueError::Unsupported(_))), "{url}");
    }
}

#[tokio::test]
async fn two_slashes_before_a_relative_path_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // For the whole process: the other tests name their files from the root.
    std::env::set_current_dir(folder.path()).unwrap();
    publish(at("sqlite://below/queue.db").await.unwrap().as_ref()).await.unwrap();
    assert!(folder.path().join("below/queue.db").exists());
}
