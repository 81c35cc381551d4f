//! What we send is what AWS's Python library reads, and the other way round.

use std::path::Path;
use std::process::Command;

use queue::Settlement;
use serde_json::{Value, json};

use super::*;

/// The example of W3C Trace Context, section 3.2.3.
const TRACE_PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Sqs {
    async fn boto3(&self, verb: &str, lane: Lane, rest: &[&str]) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut script = Command::new(folder.join("../target/test-tools/venv/bin/python"));
        script.arg(folder.join("tests/official/sqs.py")).args([&self.server, verb, &self.name(lane)]).args(rest);
        let output = tokio::task::spawn_blocking(move || script.output()).await.unwrap();
        let output = output.expect("the official libraries are installed by scripts/install-test-tools: run make test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text_of(job: &Job) -> String {
    String::from_utf8(job.encode().to_vec()).unwrap()
}

#[tokio::test]
async fn boto3_reads_what_is_published() {
    let engine = fresh().await;
    let before = Clock::System.now();
    engine.open().await.publish(&job(1), Duration::ZERO).await.unwrap();
    let read = engine.boto3("receive", LANE, &[]).await;
    assert_eq!(read["body"], text_of(&job(1)));
    assert_eq!(read["attributes"]["attempts"], json!(["Number", "0"]));
    let published_at = read["attributes"]["published_at"][1].as_str().unwrap();
    let age = chrono::DateTime::parse_from_rfc3339(published_at).unwrap().to_utc() - before;
    assert!((0..60_000).contains(&(age.num_milliseconds() + 1)), "{published_at}");
}

#[tokio::test]
async fn what_boto3_sends_is_received_and_kept_through_a_retry() {
    let engine = fresh().await;
    let queue = engine.open().await;
    let attributes = json!({
        "attempts": ["Number", "4"],
        "published_at": ["String", "2026-01-01T00:00:00.123Z"],
        "traceparent": ["String", TRACE_PARENT],
    });
    engine.boto3("send", LANE, &[&text_of(&job(1)), &attributes.to_string()]).await;
    let delivery = next(queue.as_ref()).await;
    assert_eq!((delivery.job().unwrap(), delivery.attempt), (job(1), 5));
    assert_eq!(delivery.published_at.to_rfc3339(), "2026-01-01T00:00:00.123+00:00");
    assert_eq!(delivery.trace_parent.as_ref().unwrap().to_string(), TRACE_PARENT);
    queue.settle(delivery, Settlement::RetryAfter { delay: Duration::ZERO, charge: true }).await.unwrap();
    let copy = engine.boto3("receive", LANE, &[]).await;
    let mut expected = attributes;
    expected["attempts"][1] = json!("5");
    assert_eq!((copy["body"].as_str().unwrap(), &copy["attributes"]), (text_of(&job(1)).as_str(), &expected));
}

#[tokio::test]
async fn boto3_reads_why_a_message_is_a_dead_letter() {
    let engine = fresh().await;
    let queue = engine.open().await;
    let traced = json!({ "traceparent": ["String", TRACE_PARENT] }).to_string();
    engine.boto3("send", LANE, &["not even\nJSON é", &traced]).await;
    let reason = "no such model: “é”\u{0}".to_owned();
    queue.settle(next(queue.as_ref()).await, Settlement::DeadLetter { reason }).await.unwrap();
    let read = engine.boto3("receive", Lane::dead(LANE.stage), &[]).await;
    assert_eq!(read["body"], "not even\nJSON é");
    let attributes = &read["attributes"];
    assert_eq!(attributes["reason"], json!(["String", "no such model: “é”\u{fffd}"]));
    assert_eq!(attributes["attempts"], json!(["Number", "1"]));
    assert_eq!(attributes["traceparent"], json!(["String", TRACE_PARENT]));
    assert!(chrono::DateTime::parse_from_rfc3339(attributes["died_at"][1].as_str().unwrap()).is_ok());
}

#[tokio::test]
async fn queues_are_made_encrypted_keep_14_days_and_park_what_nothing_settles() {
    let engine = fresh().await;
    let live = engine.boto3("describe", LANE, &[]).await;
    let dead = engine.boto3("describe", Lane::dead(LANE.stage), &[]).await;
    for queue in [&live, &dead] {
        assert_eq!(queue["MessageRetentionPeriod"], "1209600");
        assert_eq!(queue["SqsManagedSseEnabled"], "true");
    }
    let policy: Value = serde_json::from_str(live["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!((&policy["deadLetterTargetArn"], &policy["maxReceiveCount"]), (&dead["QueueArn"], &json!(1000)));
    assert!(dead.get("RedrivePolicy").is_none());
}

#[tokio::test]
async fn what_an_operator_set_on_a_queue_stays() {
    let engine = fresh().await;
    engine.boto3("set", LANE, &[&json!({ "MessageRetentionPeriod": "3600" }).to_string()]).await;
    assert!(queue::provision(&engine.url()).await.unwrap().is_empty());
    assert_eq!(engine.boto3("describe", LANE, &[]).await["MessageRetentionPeriod"], "3600");
}

/// What no receiver lived to settle.
#[tokio::test]
async fn message_that_sqs_parked_is_a_dead_letter_with_a_reason_and_can_be_redriven() {
    let engine = fresh().await;
    let queue = engine.open().await;
    let dead = engine.boto3("describe", Lane::dead(LANE.stage), &[]).await;
    let policy = json!({ "deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 1 }).to_string();
    engine.boto3("set", LANE, &[&json!({ "RedrivePolicy": policy }).to_string()]).await;
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    drop(next(queue.as_ref()).await);
    assert!(queue.receive(LANE, 1, 2 * LEASE).await.unwrap().is_empty());
    let letters = queue.dead_letters(LANE.stage, 10).await.unwrap();
    assert!(letters.len() == 1 && letters[0].reason.contains("redrive policy"), "{letters:?}");
    assert_eq!(queue::redrive(queue.as_ref(), LANE.stage, 10).await.unwrap(), 1);
    assert_eq!(next(queue.as_ref()).await.attempt, 1);
}
