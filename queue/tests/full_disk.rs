//! A disk that takes no more, as a limit on the size of files of this process: its only test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use queue::{Clock, Options, QueueError, open};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Beyond the limit the system sends this signal, which ends a process that does not catch it (setrlimit(2)).
const SIGXFSZ: i32 = 25;

#[tokio::test]
async fn full_disk_fails_the_check_until_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let options = Options { lease: Duration::from_secs(60), clock: Clock::System };
    let queue = open(&format!("sqlite:{}", path.display()), options).await.unwrap();
    queue.check().await.unwrap();
    let _caught = signal(SignalKind::from_raw(SIGXFSZ)).unwrap();
    let unlimited = getrlimit(Resource::Fsize);
    let log = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(log), maximum: unlimited.maximum }).unwrap();
    let checked = queue.check().await;
    setrlimit(Resource::Fsize, unlimited).unwrap();
    assert!(matches!(checked, Err(QueueError::Unavailable { .. })), "{checked:?}");
    queue.check().await.unwrap();
}
