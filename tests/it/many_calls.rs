//! The whole fleet at once: two ingests behind a balancer, two workers and both sweeps, each a process of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt;
use serde_json::Value;
use simulator::{CallPlan, CallbackPlan};
use tokio::net::{TcpListener, TcpStream};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, ago, free_port, until, until_within, variable};
use crate::whole::sha256;

const CALLS: u64 = 500;
const AT_ONCE: usize = 16;
/// An SQS server in Python takes minutes for it, beside other tests.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Each tenth call is told of twice, and each tenth is past its date.
fn plan(index: u64) -> CallPlan {
    let days = if is_old(index) { 40 } else { 0 };
    let callbacks = CallbackPlan { duplicates: u32::from(index.is_multiple_of(10)), ..CallbackPlan::default() };
    CallPlan { callbacks, ..CallPlan::nth(index, ago(TimeDelta::days(days) + TimeDelta::minutes(10))) }
}

fn is_old(index: u64) -> bool {
    index % 10 == 3
}

/// Where each connection goes on to the next of these ports, and what each was given.
async fn balanced(ports: [u16; 2]) -> (SocketAddr, &'static [AtomicUsize; 2]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let given: &'static [AtomicUsize; 2] = Box::leak(Box::default());
    tokio::spawn(async move {
        for turn in (0..ports.len()).cycle() {
            let (mut from, _) = listener.accept().await.unwrap();
            given[turn].fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut to = TcpStream::connect(("127.0.0.1", ports[turn])).await.unwrap();
                tokio::io::copy_bidirectional(&mut from, &mut to).await
            });
        }
    });
    (address, given)
}

/// What Debian's `age` makes of an object.
fn opened(fleet: &Fleet, object: &str) -> Vec<u8> {
    let sealed = std::fs::read(fleet.path(fleet.vault).join(object)).unwrap();
    let mut age = Command::new("age");
    age.args(["--decrypt", "--identity"]).arg(fleet.path("identity.txt")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut age = age.spawn().unwrap();
    let mut stdin = age.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&sealed).unwrap());
    let output = age.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{object}");
    output.stdout
}

/// The rows of all recordings are at their ends: of old ones a tombstone, of the others audio and transcript.
async fn ended(fleet: &Fleet) -> Vec<Value> {
    let rows = async || fleet.json(&["recordings", "list", "--limit", "10000"]);
    until_within(PATIENCE, "every recording has come to its end", async || {
        let rows = rows().await;
        let count = |status: &str| rows.iter().filter(|row| row["status"] == status).count() as u64;
        (count("transcribed"), count("deleted")) == (CALLS * 9 / 10, CALLS / 10)
    })
    .await;
    rows().await
}

async fn five_hundred_calls_are_shared_by_two_ingests_and_two_workers(mut fleet: Fleet) {
    let is_on_sqs = fleet.settings.iter().any(|(name, _)| *name == "AWS_ENDPOINT_URL_SQS");
    if is_on_sqs {
        fleet.set("AWS_ENDPOINT_URL_SQS", variable("TEST_AWS_BUSY_URL"));
        fleet.json(&["migrate", "--queues"]);
    }
    let (one, other) = (fleet.port, free_port());
    let second = ("LISTEN_ADDR", format!("127.0.0.1:{other}"));
    let _ingests = [fleet.start(&["ingest"]), fleet.start_with(&["ingest"], &[second])];
    let _workers = [(); 2].map(|()| fleet.start(&["worker"]));
    // A server in Python looks at all of its messages for each that it hands out. What it is too slow to confirm a pass of
    // reconcile publishes again: the next one must not come before that is worked off.
    let reconcile_every = if is_on_sqs { "60s" } else { "2s" };
    let sweeps = [["retention", "--every", "2s"], ["reconcile", "--every", reconcile_every]];
    let _sweeps = sweeps.map(|sweep| fleet.start(&sweep));
    let is_ready = async |port| reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.is_ok();
    until("both are ready", async || is_ready(one).await && is_ready(other).await).await;
    let (balancer, given) = balanced([one, other]).await;
    let callback_url = "https://voice.example.com/webhooks/recording#rc=5&rp=5xx,ct,rt";
    fleet.twilio.set_callback(callback_url.parse().unwrap(), Some(balancer));
    let placed = futures::stream::iter((0..CALLS).map(|index| fleet.twilio.place_call(plan(index))));
    // A callback that is given up is no failure either: reconcile finds its recording.
    placed.buffer_unordered(AT_ONCE).for_each(async |_| ()).await;
    assert!(given.iter().all(|given| given.load(Ordering::Relaxed) > 0), "both ingests were called");

    let rows = ended(&fleet).await;
    fleet.idle().await;
    assert_eq!(fleet.queued("dead"), 0);
    let mut expected = Vec::new();
    for row in rows {
        let truth = fleet.truth(row["recording_sid"].as_str().unwrap());
        if row["status"] == "deleted" {
            assert!(is_old(truth.index) && truth.status == "deleted", "{row}");
            continue;
        }
        let [media, transcript] = ["media", "transcript"].map(|kind| row[kind]["object"].as_str().unwrap().to_owned());
        assert_eq!(Some(sha256(&opened(&fleet, &media))), truth.sha256, "{row}");
        let said: Value = serde_json::from_slice(&opened(&fleet, &transcript)).unwrap();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(said["text"].as_str().unwrap()), words(&truth.text));
        assert_eq!(row["transcript"]["version"], 1, "{row}");
        expected.extend([media, transcript].map(std::path::PathBuf::from));
    }
    expected.sort();
    assert_eq!(fleet.objects(), expected, "one object of each kind a recording, and nothing else");
}

on_each_engine!(five_hundred_calls_are_shared_by_two_ingests_and_two_workers);
