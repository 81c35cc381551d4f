//! Receipt handles that are another receiver's by now.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::peer::{Answer, Asked, Peer};
use super::*;
use queue::Settlement;

fn three_messages(asked: &Asked) -> Answer {
    let message = |id| json!({ "MessageId": id, "ReceiptHandle": format!("handle-{id}"), "Body": "{}" });
    match asked.0.as_str() {
        "ReceiveMessage" => Some((200, json!({ "Messages": [message("1"), message("2"), message("3")] }))),
        _ => Some((200, json!({}))),
    }
}

/// SQS accepts an old handle, and deletes nothing or what another receiver has (DeleteMessage in its API Reference).
#[tokio::test]
async fn nothing_is_asked_of_sqs_once_the_lease_ran_out() {
    let peer = Peer::start(three_messages).await;
    let queue = open(&url("stale", &peer.url), Clock::System).await.unwrap();
    let deliveries = queue.receive(LANE, 3, Duration::ZERO).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(LEASE).await;
    assert!(matches!(queue.extend(&deliveries[0].receipt).await, Err(QueueError::LeaseLost)));
    let settlements = [
        Settlement::Ack,
        Settlement::RetryAfter { delay: Duration::ZERO, charge: false },
        Settlement::DeadLetter { reason: "late".to_owned() },
    ];
    for (delivery, settlement) in deliveries.into_iter().zip(settlements) {
        assert!(matches!(queue.settle(delivery, settlement).await, Err(QueueError::LeaseLost)));
    }
    assert_eq!(peer.actions(), ["ReceiveMessage"]);
}

#[tokio::test]
async fn handle_that_sqs_calls_stale_is_a_lost_lease() {
    let stale = |asked: &Asked| match asked.0.as_str() {
        "ReceiveMessage" => three_messages(asked),
        _ => {
            let why = "Value handle-1 for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                       available for visibility timeout change.";
            Some((400, json!({ "__type": "com.amazonaws.sqs#InvalidParameterValue", "message": why })))
        }
    };
    let peer = Peer::start(stale).await;
    let queue = open(&url("stale", &peer.url), Clock::System).await.unwrap();
    let deliveries = queue.receive(LANE, 3, Duration::ZERO).await.unwrap();
    assert!(matches!(queue.extend(&deliveries[0].receipt).await, Err(QueueError::LeaseLost)));
}

#[tokio::test]
async fn sqs_hides_a_message_longer_than_the_lease() {
    let peer = Peer::start(three_messages).await;
    let queue = open(&url("stale", &peer.url), Clock::System).await.unwrap();
    let deliveries = queue.receive(LANE, 3, Duration::ZERO).await.unwrap();
    queue.extend(&deliveries[0].receipt).await.unwrap();
    let seconds: Vec<_> = peer.asked().iter().map(|(_, request)| request["VisibilityTimeout"].as_u64()).collect();
    assert_eq!(seconds, [Some(LEASE.as_secs() + 1); 2]);
}

#[tokio::test]
async fn retry_that_cannot_be_sent_is_kept_hidden_and_sent_later() {
    let refusals = AtomicUsize::new(2);
    let answer = move |asked: &Asked| match asked.0.as_str() {
        "SendMessageBatch" if refusals.load(Ordering::SeqCst) > 0 => {
            refusals.fetch_sub(1, Ordering::SeqCst);
            Some((400, json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": "no" })))
        }
        "SendMessageBatch" => {
            Some((200, json!({ "Successful": [{ "Id": "0", "MessageId": "id", "MD5OfMessageBody": "" }] })))
        }
        _ => three_messages(asked),
    };
    let peer = Peer::start(answer).await;
    let queue = open(&url("kept", &peer.url), Clock::System).await.unwrap();
    let delivery = queue.receive(LANE, 3, Duration::ZERO).await.unwrap().remove(0);
    let retry = Settlement::RetryAfter { delay: Duration::ZERO, charge: false };
    assert!(queue.settle(delivery, retry).await.unwrap_err().to_string().contains("rights are missing"));
    let began = std::time::Instant::now();
    while !peer.actions().contains(&"DeleteMessageBatch".to_owned()) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", peer.actions());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (send, hide) = ("SendMessageBatch", "ChangeMessageVisibility");
    assert_eq!(peer.actions(), ["ReceiveMessage", send, hide, send, hide, send, "DeleteMessageBatch"]);
}
