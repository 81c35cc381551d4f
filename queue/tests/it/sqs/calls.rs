//! Calls that go wrong, wholly or in part.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::future::join_all;
use serde_json::{Value, json};

use super::peer::{Answer, Asked, Peer};
use super::*;

async fn on(peer: &Peer) -> Arc<dyn Queue> {
    open(&url("calls", &peer.url), Clock::System).await.unwrap()
}

fn entries(asked: &Asked) -> &Vec<Value> {
    asked.1["Entries"].as_array().unwrap()
}

/// The number of the job in an entry.
fn number(entry: &Value) -> u32 {
    let job: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
    job["recording_sid"].as_str().unwrap()[2..].parse().unwrap()
}

fn successful(entry: &Value) -> Value {
    json!({ "Id": entry["Id"], "MessageId": "id", "MD5OfMessageBody": "" })
}

/// Of SendMessageBatch in SQS's API Reference: a status of 200, whatever became of the entries.
fn mixed(asked: &Asked, refused: impl Fn(u32) -> Option<Value>) -> Answer {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries(asked) {
        match refused(number(entry)) {
            None => done.push(successful(entry)),
            Some(mut error) => {
                error["Id"] = entry["Id"].clone();
                failed.push(error);
            }
        }
    }
    Some((200, json!({ "Successful": done, "Failed": failed })))
}

async fn publish_all(queue: &dyn Queue, count: u32) -> BTreeSet<u32> {
    let jobs: Vec<Job> = (0..count).map(job).collect();
    let published = join_all(jobs.iter().map(|job| queue.publish(job, Duration::ZERO))).await;
    (0..count).zip(published).filter_map(|(number, published)| published.is_ok().then_some(number)).collect()
}

#[tokio::test]
async fn each_publisher_of_a_batch_hears_of_its_own_message() {
    let refuse_every_third = |asked: &Asked| {
        let error = json!({ "SenderFault": true, "Code": "InvalidMessageContents", "Message": "no" });
        mixed(asked, |number| number.is_multiple_of(3).then(|| error.clone()))
    };
    let peer = Peer::start(refuse_every_third).await;
    let published = publish_all(on(&peer).await.as_ref(), 60).await;
    assert_eq!(published, (0..60_u32).filter(|number| !number.is_multiple_of(3)).collect());
    let calls = peer.asked();
    assert!(calls.len() < 60, "batches were used");
    assert_eq!(calls.iter().map(|asked| entries(asked).len()).sum::<usize>(), 60, "what SQS refuses is not sent again");
}

#[tokio::test]
async fn entry_that_sqs_failed_at_is_sent_once_more_and_alone() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&sent);
    let fail_first_time = move |asked: &Asked| {
        let mut sent = noted.lock().unwrap();
        let error = json!({ "SenderFault": false, "Code": "InternalError", "Message": "try again" });
        let answer = mixed(asked, |number| (number == 5 && !sent.contains(&5)).then(|| error.clone()));
        sent.extend(entries(asked).iter().map(number));
        answer
    };
    let peer = Peer::start(fail_first_time).await;
    assert_eq!(publish_all(on(&peer).await.as_ref(), 20).await.len(), 20);
    let mut sent = sent.lock().unwrap().clone();
    sent.sort_unstable();
    let mut expected: Vec<u32> = (0..20).chain([5]).collect();
    expected.sort_unstable();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn message_that_the_answer_leaves_out_is_not_taken_for_published() {
    let leave_out = |asked: &Asked| {
        let done: Vec<Value> = entries(asked).iter().filter(|entry| number(entry) != 2).map(successful).collect();
        Some((200, json!({ "Successful": done })))
    };
    let peer = Peer::start(leave_out).await;
    assert_eq!(publish_all(on(&peer).await.as_ref(), 4).await, BTreeSet::from([0, 1, 3]));
}

#[tokio::test]
async fn throttled_call_is_made_again() {
    let calls = AtomicUsize::new(0);
    let throttle_twice = move |asked: &Asked| {
        if calls.fetch_add(1, Ordering::SeqCst) < 2 {
            let code = "com.amazonaws.sqs#RequestThrottled";
            return Some((400, json!({ "__type": code, "message": "Rate exceeded" })));
        }
        mixed(asked, |_| None)
    };
    let peer = Peer::start(throttle_twice).await;
    on(&peer).await.publish(&job(1), Duration::ZERO).await.unwrap();
    assert_eq!(peer.actions().len(), 3);
}

#[tokio::test]
async fn publish_that_sqs_never_answers_fails_before_ingest_gives_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = url("calls", &format!("http://{}", listener.local_addr().unwrap()));
    let queue = open(&silent, Clock::System).await.unwrap();
    let began = Instant::now();
    let published = queue.publish(&job(1), Duration::ZERO).await;
    assert!(matches!(published, Err(QueueError::Unavailable { .. })), "{published:?}");
    // What `callvault ingest` gives the queue.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

/// Codes and words as AWS sends them over its JSON protocol.
#[tokio::test]
async fn refusals_say_what_to_do_and_are_told_apart() {
    let refused = |code: &str, words: &str| {
        let body = json!({ "__type": code, "message": words });
        move |_: &Asked| Some((403, body.clone()))
    };
    let user = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: sqs:SendMessage";
    for (code, words, expected) in [
        (
            "com.amazon.coral.service#UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "AWS_ACCESS_KEY_ID",
        ),
        (
            "com.amazon.coral.service#InvalidSignatureException",
            "The request signature we calculated does not match",
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            "com.amazon.coral.service#ExpiredTokenException",
            "The security token included in the request is expired",
            "expired",
        ),
        ("com.amazon.coral.service#AccessDeniedException", user, "rights are missing"),
        ("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.", "migrate --queues"),
    ] {
        let peer = Peer::start(refused(code, words)).await;
        let error = on(&peer).await.publish(&job(1), Duration::ZERO).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(error.to_string().contains(expected) && error.to_string().contains("calls-purge"), "{code}: {error}");
    }
}

#[tokio::test]
async fn server_that_is_away_is_said_to_be_and_found_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let queue = open(&url("calls", &nobody), Clock::System).await.unwrap();
    let error = queue.check().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("cannot be reached"), "{error}");
}
