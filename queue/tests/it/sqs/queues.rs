//! The queues themselves: made, missing, wrongly named.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::peer::{Asked, Peer};
use super::*;

#[tokio::test]
async fn queues_are_made_once() {
    let engine = Sqs::named();
    let made = queue::provision(&engine.url()).await.unwrap();
    let lanes = Stage::ALL.into_iter().flat_map(|stage| [Lane::dead(stage), Lane::live(stage)]);
    assert_eq!(made, lanes.map(|lane| engine.name(lane)).collect::<Vec<_>>());
    assert!(queue::provision(&engine.url()).await.unwrap().is_empty());
}

#[tokio::test]
async fn missing_queue_is_named_and_found_once_it_is_made() {
    let engine = Sqs::named();
    let queue = engine.open().await;
    let error = queue.check().await.unwrap_err().to_string();
    assert!(error.contains(&engine.name(Lane::live(Stage::Archive))) && error.contains("migrate --queues"), "{error}");
    assert!(queue.publish(&job(1), Duration::ZERO).await.is_err());
    queue::provision(&engine.url()).await.unwrap();
    queue.check().await.unwrap();
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    assert_eq!(next(queue.as_ref()).await.job().unwrap(), job(1));
}

#[tokio::test]
async fn url_without_a_usable_name_is_refused() {
    for url in ["sqs:calls", "sqs://", "sqs://a.fifo?region=eu-west-1", "sqs://calls?region=eu-west-1&queue=x"] {
        let error = open(url, Clock::System).await.unwrap_err();
        assert!(matches!(&error, QueueError::Unsupported(problem) if problem.starts_with("sqs: ")), "{url}: {error}");
    }
}

/// A queue that was just made may not be found for a second (CreateQueue in SQS's API Reference).
#[tokio::test]
async fn queue_that_was_just_made_is_waited_for() {
    let asked_before = AtomicBool::new(false);
    let late = move |asked: &Asked| match asked.0.as_str() {
        "GetQueueAttributes" if !asked_before.swap(true, Ordering::SeqCst) => {
            let code = "com.amazonaws.sqs#QueueDoesNotExist";
            Some((400, json!({ "__type": code, "message": "The specified queue does not exist." })))
        }
        "GetQueueAttributes" => Some((200, json!({ "Attributes": { "QueueArn": "arn", "RedrivePolicy": "{}" } }))),
        _ => None,
    };
    let peer = Peer::start(late).await;
    assert!(queue::provision(&url("calls", &peer.url)).await.unwrap().is_empty());
    assert_eq!(peer.actions(), ["GetQueueAttributes"; 5]);
}

/// moto keeps this attribute to itself.
#[tokio::test]
async fn queue_of_dead_letters_takes_them_from_its_own_queue_only() {
    let arn_of = |asked: &Asked| match asked.0.as_str() {
        "GetQueueAttributes" => {
            let name = asked.1["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
            Some((200, json!({ "Attributes": { "QueueArn": format!("arn:{name}") } })))
        }
        _ => Some((200, json!({}))),
    };
    let peer = Peer::start(arn_of).await;
    queue::provision(&url("calls", &peer.url)).await.unwrap();
    let set: Vec<Value> =
        peer.asked().into_iter().filter(|asked| asked.0 == "SetQueueAttributes").map(|asked| asked.1).collect();
    let (allowed, redriven) = (&set[0], &set[1]);
    assert!(allowed["QueueUrl"].as_str().unwrap().ends_with("/calls-archive-dead"));
    let policy: Value = serde_json::from_str(allowed["Attributes"]["RedriveAllowPolicy"].as_str().unwrap()).unwrap();
    assert_eq!(policy, json!({ "redrivePermission": "byQueue", "sourceQueueArns": ["arn:calls-archive"] }));
    // In this order: SQS refuses a redrive that is not allowed.
    assert!(redriven["QueueUrl"].as_str().unwrap().ends_with("/calls-archive"));
    assert!(redriven["Attributes"]["RedrivePolicy"].as_str().unwrap().contains("arn:calls-archive-dead"));
}
