//! Delays that are longer than SQS keeps a message back.

use aws_sdk_sqs::types::MessageAttributeValue;
use chrono::TimeDelta;

use super::*;

async fn settles_at(queue: &dyn Queue, expected: queue::Depth) {
    for _ in 0..20 {
        if queue.depth(LANE.stage).await.unwrap() == expected {
            return;
        }
        queue.receive(Lane::live(Stage::Deliver), 1, Duration::ZERO).await.unwrap();
    }
    assert_eq!(queue.depth(LANE.stage).await.unwrap(), expected);
}

#[tokio::test]
async fn long_delay_is_a_delayed_message_at_sqs() {
    let queue = fresh().await.open().await;
    queue.publish(&job(1), Duration::from_secs(3 * 24 * 3600)).await.unwrap();
    settles_at(queue.as_ref(), queue::Depth { delayed: 1, ..Default::default() }).await;
}

/// Sends a job that is visible at once and due in an hour: as when the first of its 15 minutes are over.
async fn send_early(engine: &Sqs, clock: &Clock) {
    let (client, url) = engine.client(LANE).await;
    let due = (clock.now() + TimeDelta::hours(1)).to_rfc3339();
    let due = MessageAttributeValue::builder().data_type("String").string_value(due).build().unwrap();
    let body = String::from_utf8(job(1).encode().to_vec()).unwrap();
    let message = client.send_message().queue_url(url).message_body(body).message_attributes("not_before", due);
    message.send().await.unwrap();
}

#[tokio::test]
async fn message_that_comes_before_its_time_is_sent_away_again() {
    let engine = fresh().await;
    let clock = Clock::manual(Clock::System.now());
    let queue = open(&engine.url(), clock.clone()).await.unwrap();
    send_early(&engine, &clock).await;
    assert!(queue.receive(LANE, 10, Duration::from_secs(2)).await.unwrap().is_empty());
    settles_at(queue.as_ref(), queue::Depth { delayed: 1, ..Default::default() }).await;
}

#[tokio::test]
async fn message_whose_time_has_come_is_a_first_attempt() {
    let engine = fresh().await;
    let clock = Clock::manual(Clock::System.now());
    let queue = open(&engine.url(), clock.clone()).await.unwrap();
    send_early(&engine, &clock).await;
    clock.advance(Duration::from_secs(3600));
    let delivery = next(queue.as_ref()).await;
    assert_eq!((delivery.job().unwrap(), delivery.attempt), (job(1), 1));
}
