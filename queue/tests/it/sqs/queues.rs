//! The queues themselves: made, missing, wrongly named.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::peer::{Asked, Peer};
use super::*;

#[tokio::test]
async fn queues_are_made_once() {
    let engine = Sqs::named();
    let made = queue::provision(&engine.url()).await.unwrap();
    let dead_first = |stage| {
        let jobs = Lane::all_of(stage).filter(|lane| !lane.is_dead());
        [Lane::dead(stage)].into_iter().chain(jobs)
    };
    let lanes = Stage::ALL.into_iter().flat_map(dead_first);
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
    assert_eq!(peer.actions(), ["GetQueueAttributes"; 8]);
}

/// moto keeps this attribute to itself.
#[tokio::test]
async fn queue_of_dead_letters_takes_them_from_its_own_queues_only() {
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
    let sources = ["arn:calls-archive", "arn:calls-archive-backfill"];
    assert_eq!(policy, json!({ "redrivePermission": "byQueue", "sourceQueueArns": sources }));
    // In this order: SQS refuses a redrive that is not allowed.
    assert!(redriven["QueueUrl"].as_str().unwrap().ends_with("/calls-archive"));
    assert!(redriven["Attributes"]["RedrivePolicy"].as_str().unwrap().contains("arn:calls-archive-dead"));
}

/// Words of SQS's API Reference; `denied` is not allowed.
async fn peer_that_denies(denied: &'static str) -> Peer {
    let answer = move |asked: &Asked| {
        let code = |code: &str| Some((400, json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "no" })));
        let failed = |code: &str| {
            let failed = json!({ "Id": "0", "SenderFault": true, "Code": code, "Message": "no" });
            Some((200, json!({ "Failed": [failed] })))
        };
        match asked.0.as_str() {
            action if action == denied => code("AccessDeniedException"),
            "SendMessageBatch" => failed("InvalidParameterValue"),
            "ReceiveMessage" => code("ReadCountOutOfRange"),
            "GetQueueAttributes" => Some((200, json!({ "Attributes": {} }))),
            _ => failed("ReceiptHandleIsInvalid"),
        }
    };
    Peer::start(answer).await
}

#[tokio::test]
async fn each_right_is_checked_by_a_call_that_changes_nothing() {
    let sound = peer_that_denies("nothing").await;
    open(&url("calls", &sound.url), Clock::System).await.unwrap().check_rights().await.unwrap();
    for (_, request) in sound.asked() {
        let (handle, delay) = (&request["Entries"][0]["ReceiptHandle"], &request["Entries"][0]["DelaySeconds"]);
        let most = &request["MaxNumberOfMessages"];
        let is_harmless = *handle == "none" || *delay == 901 || *most == 11 || request["AttributeNames"].is_array();
        assert!(is_harmless, "{request}");
    }
    for action in ["SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let peer = peer_that_denies(action).await;
        let queue = open(&url("calls", &peer.url), Clock::System).await.unwrap();
        let error = queue.check_rights().await.unwrap_err().to_string();
        assert!(error.contains("rights are missing") && error.contains("calls-"), "{action}: {error}");
    }
}

#[tokio::test]
async fn refused_send_is_remembered_until_a_send_succeeds() {
    let is_refused = std::sync::Arc::new(AtomicBool::new(true));
    let refusing = std::sync::Arc::clone(&is_refused);
    let peer = Peer::start(move |_| {
        let refusal = json!({ "__type": "com.amazonaws.sqs#KmsAccessDenied", "message": "no" });
        let sent = json!({ "Successful": [{ "Id": "0", "MessageId": "id", "MD5OfMessageBody": "" }] });
        Some(if refusing.load(Ordering::SeqCst) { (400, refusal) } else { (200, sent) })
    });
    let queue = open(&url("calls", &peer.await.url), Clock::System).await.unwrap();
    queue.check().await.unwrap();
    queue.publish(&job(1), Duration::ZERO).await.unwrap_err();
    for _ in 0..2 {
        let error = queue.check().await.unwrap_err().to_string();
        assert!(error.contains("kms:GenerateDataKey"), "{error}");
    }
    // Nobody publishes where /readyz says 503: the check itself has to find out.
    is_refused.store(false, Ordering::SeqCst);
    queue.check().await.unwrap();
}
