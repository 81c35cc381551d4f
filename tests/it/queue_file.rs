//! The queue's file is locked, damaged or gone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::fleet::{Fleet, call, until};
use crate::whole::assert_whole;

/// Another process in the middle of a transaction on the queue's file; it ends when this is dropped.
struct Locked(Child);

impl Locked {
    fn by_another_process(fleet: &Fleet) -> Locked {
        let script = "import sqlite3, sys\n\
                      sqlite3.connect(sys.argv[1], isolation_level=None).execute('BEGIN EXCLUSIVE')\n\
                      print('locked', flush=True)\n\
                      sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(fleet.path("queue.db")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        Locked(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_while_the_queue_is_locked_is_answered_503_and_taken_afterwards() {
    let fleet = Fleet::new().await;
    let _serving = fleet.serve(true).await;
    let sid = fleet.twilio.add_recording(call(0)).recording_sid;
    let locked = Locked::by_another_process(&fleet);
    assert_eq!(fleet.twilio.send_callback(&sid, "completed").await.status, 503);
    assert_eq!(fleet.get("/readyz").await, 503);
    drop(locked);
    fleet.ready().await;
    assert_eq!(fleet.twilio.send_callback(&sid, "completed").await.status, 200);
    fleet.settled(1, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
}

/// A fleet with one callback in its queue, and nothing running.
async fn with_a_job() -> Fleet {
    let fleet = Fleet::new().await;
    let ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    fleet.place(call(0)).await;
    assert_eq!(ingest.stop(), Some(0));
    fleet
}

/// Overwrites the pages of the file from `first` on, once all of it is there.
fn damage(fleet: &Fleet, first: usize) {
    let checkpoint = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    let mut python = Command::new("python3");
    assert!(python.args(["-c", checkpoint]).arg(fleet.path("queue.db")).status().unwrap().success());
    let mut bytes = fs::read(fleet.path("queue.db")).unwrap();
    bytes[first * 4096..].fill(0x5a);
    fs::write(fleet.path("queue.db"), bytes).unwrap();
}

fn assert_tells_the_way_out(said: &str) {
    let words = ["queue.db", "is damaged", "move it away", "callvault reconcile"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_is_no_queue_any_more_is_refused_with_the_way_out_which_works() {
    let fleet = with_a_job().await;
    damage(&fleet, 0);
    for arguments in [["queue", "status"].as_slice(), &["serve"]] {
        assert_tells_the_way_out(&fleet.refused(1, arguments).await);
    }
    fs::rename(fleet.path("queue.db"), fleet.path("damaged.db")).unwrap();
    assert_eq!(fleet.json(&["reconcile"])[0]["published"], 1);
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_damaged_within_takes_no_callback_and_the_log_tells_the_way_out() {
    let fleet = with_a_job().await;
    damage(&fleet, 1);
    assert_tells_the_way_out(&fleet.refused(1, &["queue", "status"]).await);
    let _serving = fleet.start(&["serve"]);
    until("it listens", async || fleet.get("/healthz").await == 200).await;
    let sid = fleet.twilio.add_recording(call(1)).recording_sid;
    assert_eq!(fleet.twilio.send_callback(&sid, "completed").await.status, 503);
    assert_eq!(fleet.get("/readyz").await, 503);
    for told_by in ["callback refused", "cannot receive"] {
        until("both say so", async || fleet.logged(&[told_by])).await;
        assert_tells_the_way_out(fleet.log().lines().find(|line| line.contains(told_by)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_queue_is_rebuilt_from_the_catalog_and_twilios_list() {
    let mut fleet = Fleet::new().await;
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "1");
    let archiver = fleet.start(&["worker", "--stages", "archive"]);
    let ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    for index in 0..3 {
        fleet.place(call(index)).await;
    }
    fleet.settled(3, &["archived"]).await;
    assert_eq!(archiver.stop(), Some(0));
    for index in 3..6 {
        fleet.place(call(index)).await;
    }
    assert_eq!(ingest.stop(), Some(0));
    assert_eq!(fleet.queued("ready"), 6, "three to transcribe, three to archive");
    for name in ["queue.db", "queue.db-wal", "queue.db-shm"] {
        let _ = fs::remove_file(fleet.path(name));
    }
    let _serving = fleet.serve(true).await;
    fleet.settled(6, &["transcribed"]).await;
    assert_whole(&fleet);
}
