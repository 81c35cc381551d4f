//! What becomes of callbacks while the queue is away, where there is a spool.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callvault_ingest::{Limits, Outlet, Spool, SpoolError, router, run, serve};
use chrono::{DateTime, TimeDelta, Utc};
use queue::{Clock, Lane, Queue, Stage};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::*;
use crate::raw_http::{Answer, exchange, request};

/// A service with a spool before a queue that can be taken away: it is a file.
struct Spooled {
    folder: TempDir,
    queue: Arc<dyn Queue>,
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Spooled {
    async fn start(max_callbacks: u64) -> Spooled {
        let folder = tempfile::tempdir().unwrap();
        let queue = open_queue(&folder).await;
        Spooled::start_in(folder, queue, max_callbacks).await
    }

    async fn start_in(folder: TempDir, queue: Arc<dyn Queue>, max_callbacks: u64) -> Spooled {
        let spool = Arc::new(open(&folder, max_callbacks, &queue).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (config, clock) = (Setup::default().config(), Clock::manual(now()));
        let running = run(config, Outlet::Spooled(spool), clock, None, listener, shutdown.clone());
        Spooled { folder, queue, address, shutdown, serving: tokio::spawn(running) }
    }

    /// Leaves in the spool what comes into it.
    async fn start_undrained(max_callbacks: u64) -> Spooled {
        let folder = tempfile::tempdir().unwrap();
        let queue = open_queue(&folder).await;
        let spool = Arc::new(open(&folder, max_callbacks, &queue).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let app = router(Setup::default().config(), Outlet::Spooled(spool), Clock::manual(now()), None);
        let serving = tokio::spawn(serve(app, listener, Limits::default(), shutdown.clone()));
        Spooled { folder, queue, address, shutdown, serving }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn take_away(&self, name: &str) {
        std::fs::rename(self.path(name), self.path("away.db")).unwrap();
    }

    fn put_back(&self, name: &str) {
        std::fs::rename(self.path("away.db"), self.path(name)).unwrap();
    }

    /// Changes the rules of a file under the service.
    async fn alter(&self, name: &str, statement: &'static str) {
        let url = format!("sqlite:{}", self.path(name).display());
        let mut file = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
    }

    async fn until_spooled(&self, count: u64) {
        let began = Instant::now();
        while self.spooled().await != count {
            assert!(began.elapsed() < Duration::from_secs(60), "{count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, number: u32) -> Answer {
        exchange(self.address, &numbered(number).request()).await
    }

    async fn is_ready(&self) -> (u16, String) {
        let answer = exchange(self.address, &request("GET", "/readyz", &[], b"")).await;
        (answer.status, answer.body)
    }

    async fn spooled(&self) -> u64 {
        Spool::look(&self.path("spool")).await.unwrap()
    }

    /// The numbers of the callbacks in the queue, once there are so many.
    async fn queued(&self, count: usize) -> Vec<u32> {
        let began = Instant::now();
        let mut numbers = Vec::new();
        while numbers.len() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "{numbers:?}");
            let jobs = take_all(self.queue.as_ref()).await;
            numbers.extend(jobs.iter().map(|job| job.recording_sid().as_str()[2..].parse::<u32>().unwrap()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        numbers
    }

    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        self.folder
    }
}

/// When callbacks come into the spool.
fn earlier() -> DateTime<Utc> {
    now() - TimeDelta::hours(1)
}

async fn open(folder: &TempDir, max_callbacks: u64, queue: &Arc<dyn Queue>) -> Result<Spool, SpoolError> {
    let clock = Clock::manual(earlier());
    Spool::open(&folder.path().join("spool"), max_callbacks, Arc::clone(queue), clock).await
}

fn numbered(number: u32) -> Callback {
    Callback::recording().with("RecordingSid", &format!("RE{number:032}"))
}

#[tokio::test]
async fn callback_to_a_sound_queue_does_not_touch_the_spool() {
    let service = Spooled::start_undrained(10).await;
    assert_eq!(service.send(1).await.status, 200);
    assert_eq!((service.spooled().await, service.queued(1).await), (0, vec![1]));
    assert_eq!(service.is_ready().await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn callbacks_while_the_queue_is_away_come_to_it_in_order_when_it_is_back() {
    let service = Spooled::start(1000).await;
    service.take_away("queue.db");
    for number in 0..200 {
        assert_eq!(service.send(number).await.status, 200);
    }
    assert_eq!(service.spooled().await, 200);
    service.put_back("queue.db");
    assert_eq!(service.queued(200).await, (0..200).collect::<Vec<_>>());
    assert_eq!(service.send(200).await.status, 200);
    assert_eq!((service.queued(1).await, service.spooled().await), (vec![200], 0));
}

#[tokio::test]
async fn callback_whose_ack_fails_goes_to_the_queue_once() {
    let service = Spooled::start(10).await;
    service.take_away("queue.db");
    assert_eq!(service.send(1).await.status, 200);
    let stuck = "CREATE TRIGGER stuck BEFORE DELETE ON messages WHEN OLD.stage = 'archive'
        BEGIN SELECT RAISE(ABORT, 'stuck'); END";
    service.alter("spool/spool.db", stuck).await;
    service.put_back("queue.db");
    assert_eq!(service.queued(1).await, [1]);
    assert_eq!(service.spooled().await, 1);
    service.alter("spool/spool.db", "DROP TRIGGER stuck").await;
    service.until_spooled(0).await;
    assert!(take_all(service.queue.as_ref()).await.is_empty(), "it came again");
}

#[tokio::test]
async fn callback_that_the_queue_refuses_stays_and_lets_others_pass() {
    let service = Spooled::start(10).await;
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.body LIKE '%RE00000000000000000000000000000001%'
        BEGIN SELECT RAISE(ABORT, 'refused'); END";
    service.alter("queue.db", refuse).await;
    for number in 1..4 {
        assert_eq!(service.send(number).await.status, 200);
    }
    assert_eq!(service.queued(2).await, [2, 3]);
    service.until_spooled(1).await;
    assert_eq!(service.send(4).await.status, 200);
    assert_eq!(service.queued(1).await, [4]);
    service.until_spooled(1).await;
}

#[tokio::test]
async fn callback_waits_behind_those_that_are_spooled() {
    let service = Spooled::start_undrained(10).await;
    service.take_away("queue.db");
    assert_eq!(service.send(1).await.status, 200);
    service.put_back("queue.db");
    assert_eq!(service.send(2).await.status, 200);
    assert_eq!(service.spooled().await, 2);
    assert!(take_all(service.queue.as_ref()).await.is_empty());
}

#[tokio::test]
async fn full_spool_is_503_until_the_queue_is_back() {
    let service = Spooled::start_undrained(2).await;
    service.take_away("queue.db");
    let mut answers = Vec::new();
    for number in 0..3 {
        answers.push(service.send(number).await);
    }
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 503]);
    assert_eq!(answers[2].header("retry-after"), Some("1"));
    assert_eq!(service.is_ready().await.0, 503);
    // Rather out of order than lost.
    service.put_back("queue.db");
    assert_eq!(service.is_ready().await.0, 200);
    assert_eq!(service.send(3).await.status, 200);
    assert_eq!((service.spooled().await, service.queued(1).await), (2, vec![3]));
}

#[tokio::test]
async fn forged_callback_is_not_spooled() {
    let service = Spooled::start_undrained(10).await;
    service.take_away("queue.db");
    let forged = Callback { token: "54321", ..numbered(1) };
    assert_eq!(exchange(service.address, &forged.request()).await.status, 403);
    assert_eq!(service.spooled().await, 0);
}

#[tokio::test]
async fn spool_that_is_gone_is_passed_over() {
    let service = Spooled::start_undrained(10).await;
    service.take_away("spool/spool.db");
    assert_eq!(service.send(1).await.status, 200);
    let (status, note) = service.is_ready().await;
    assert!(status == 200 && note.contains("the spool cannot be used"), "{status} {note}");
    // With the queue gone too there is nowhere to put a callback.
    std::fs::rename(service.path("queue.db"), service.path("queue-away.db")).unwrap();
    let answer = service.send(2).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(service.is_ready().await.0, 503);
}

#[tokio::test]
async fn readiness_tells_that_callbacks_are_spooled() {
    let service = Spooled::start_undrained(10).await;
    service.take_away("queue.db");
    service.send(1).await;
    let (status, note) = service.is_ready().await;
    assert!(status == 200 && note.contains("callbacks go into the spool, which has 1 of 10"), "{status} {note}");
    service.put_back("queue.db");
    let (status, note) = service.is_ready().await;
    assert!(status == 200 && note.contains("1 callbacks in the spool go to the queue first"), "{status} {note}");
}

#[tokio::test]
async fn spool_has_one_process_at_a_time() {
    let service = Spooled::start(10).await;
    assert!(matches!(open(&service.folder, 10, &service.queue).await, Err(SpoolError::InUse(_))));
    let queue = Arc::clone(&service.queue);
    let folder = service.stop().await;
    open(&folder, 10, &queue).await.unwrap();
}

#[tokio::test]
async fn what_is_left_at_the_end_goes_first_after_the_next_start() {
    let service = Spooled::start(10).await;
    service.take_away("queue.db");
    for number in 0..5 {
        assert_eq!(service.send(number).await.status, 200);
    }
    let queue = Arc::clone(&service.queue);
    let folder = service.stop().await;
    std::fs::rename(folder.path().join("away.db"), folder.path().join("queue.db")).unwrap();

    let service = Spooled::start_in(folder, queue, 10).await;
    assert_eq!(service.queued(5).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn end_of_a_service_drains_what_the_queue_still_takes() {
    let service = Spooled::start_undrained(100).await;
    service.take_away("queue.db");
    for number in 0..70 {
        service.send(number).await;
    }
    service.put_back("queue.db");
    let queue = Arc::clone(&service.queue);
    let folder = service.stop().await;

    let service = Spooled::start_in(folder, Arc::clone(&queue), 100).await;
    // At once: nothing but its end drains.
    let folder = service.stop().await;
    assert_eq!(take_all(queue.as_ref()).await.len(), 70);
    assert_eq!(Spool::look(&folder.path().join("spool")).await.unwrap(), 0);
}

#[tokio::test]
async fn spooled_callback_keeps_when_it_was_published() {
    let service = Spooled::start(10).await;
    service.take_away("queue.db");
    assert_eq!(service.send(1).await.status, 200);
    service.put_back("queue.db");
    let received = service.queue.receive(Lane::live(Stage::Archive), 1, Duration::from_secs(60)).await.unwrap();
    assert_eq!(received[0].published_at, earlier());
    assert_eq!(archived(&received[0].job().unwrap()).1, now(), "and its callback was received");
}

#[tokio::test]
async fn spool_holds_no_phone_number() {
    let service = Spooled::start_undrained(10).await;
    service.take_away("queue.db");
    let progress = Callback::call_progress().with("RecordingSid", RECORDING);
    assert_eq!(exchange(service.address, &progress.request()).await.status, 200);
    assert_eq!(service.spooled().await, 1);
    let folder = service.stop().await;
    let files = std::fs::read_dir(folder.path().join("spool")).unwrap();
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(RECORDING) && !holds("4158675309") && !holds("8005551212"));
}

#[tokio::test]
async fn damaged_spool_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open_queue(&folder).await;
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    std::fs::write(folder.path().join("spool/spool.db"), vec![7; 8192]).unwrap();
    let error = open(&folder, 10, &queue).await.unwrap_err();
    assert!(matches!(&error, SpoolError::File(queue::QueueError::Corrupt { .. })), "{error}");
    assert!(error.to_string().contains("spool.db"), "{error}");
}
