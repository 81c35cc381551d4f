//! Receives: how they are asked for, and of more than one call.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};

use super::peer::{Answer, Asked, Peer};
use super::*;
use queue::Settlement;

fn message(id: usize, handle: &str, receives: u32) -> Value {
    let count = json!({ "ApproximateReceiveCount": receives.to_string() });
    json!({ "MessageId": id.to_string(), "ReceiptHandle": handle, "Body": "{}", "Attributes": count })
}

/// Ten messages to the first call, `then` to the others; anything else is done.
async fn ten_and_then(then: Answer) -> Peer {
    let received = AtomicUsize::new(0);
    let answer = move |asked: &Asked| {
        let ten: Vec<Value> = (0..10).map(|id| message(id, &format!("handle-{id}"), 1)).collect();
        match (asked.0.as_str(), received.load(Ordering::SeqCst)) {
            ("ReceiveMessage", 0) => {
                received.store(1, Ordering::SeqCst);
                Some((200, json!({ "Messages": ten })))
            }
            ("ReceiveMessage", _) => then.clone(),
            _ => Some((200, json!({ "Successful": [{ "Id": "0" }] }))),
        }
    };
    Peer::start(answer).await
}

async fn on(peer: &Peer) -> Arc<dyn Queue> {
    open(&url("calls", &peer.url), Clock::System).await.unwrap()
}

#[tokio::test]
async fn receive_gives_more_than_sqs_does_in_one_call() {
    let queue = fresh().await.open().await;
    let jobs: Vec<Job> = (0..25).map(job).collect();
    join_all(jobs.iter().map(|job| queue.publish(job, Duration::ZERO))).await;
    assert_eq!(queue.receive(LANE, 25, Duration::ZERO).await.unwrap().len(), 25);
}

/// Short polling asks only some of SQS's servers (ReceiveMessage in its API Reference).
#[tokio::test]
async fn look_without_a_wait_still_waits_for_all_of_sqs() {
    let peer = Peer::start(|_| Some((200, json!({})))).await;
    assert!(on(&peer).await.receive(LANE, 1, Duration::ZERO).await.unwrap().is_empty());
    let waits: Vec<_> = peer.asked().iter().map(|(_, request)| request["WaitTimeSeconds"].as_u64()).collect();
    assert_eq!(waits, [Some(1)]);
}

#[tokio::test]
async fn what_the_first_call_brought_outlives_the_failure_of_the_others() {
    let peer = ten_and_then(Some((400, json!({ "__type": "com.amazonaws.sqs#OverLimit", "message": "" })))).await;
    assert_eq!(on(&peer).await.receive(LANE, 20, Duration::ZERO).await.unwrap().len(), 10);
}

#[tokio::test]
async fn look_at_few_of_many_dead_letters_ends_with_the_first_short_answer() {
    let peer = ten_and_then(Some((200, json!({})))).await;
    assert_eq!(on(&peer).await.dead_letters(Stage::Purge, 10_000).await.unwrap().len(), 10);
    let receives = peer.actions().iter().filter(|action| *action == "ReceiveMessage").count();
    assert!(receives < 20, "{receives}");
}

/// A standard queue may do so (Amazon SQS at-least-once delivery, in its Developer Guide).
#[tokio::test]
async fn message_that_two_calls_bring_is_handed_out_once_with_its_newest_handle() {
    let peer = ten_and_then(Some((200, json!({ "Messages": [message(3, "newest", 2)] })))).await;
    let queue = on(&peer).await;
    let received = queue.receive(LANE, 20, Duration::ZERO).await.unwrap();
    assert_eq!(received.len(), 10);
    let twice = received.into_iter().find(|delivery| delivery.attempt == 2).unwrap();
    queue.settle(twice, Settlement::Ack).await.unwrap();
    let (action, request) = peer.asked().pop().unwrap();
    assert_eq!((action.as_str(), &request["Entries"][0]["ReceiptHandle"]), ("DeleteMessageBatch", &json!("newest")));
}
