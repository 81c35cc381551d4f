//! Queues and messages as they stand in the broker.

use std::time::Duration;

use futures::future::join_all;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use queue::contract::Engine;
use queue::{Clock, Depth, Lane, Options, Settlement, Stage};
use serde_json::json;

use super::broker::{Broker, LIVE, api, job, next, number, problem, publish, variable};

#[tokio::test(flavor = "multi_thread")]
async fn queues_and_messages_are_such_as_outlive_a_broker() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    queue.publish(&job(2), Duration::from_secs(60)).await.unwrap();
    let queues = broker.queues().await;
    let own: Vec<_> = queues.iter().map(|each| (&each["durable"], &each["type"], &each["auto_delete"])).collect();
    assert_eq!(own, vec![(&json!(true), &json!("quorum"), &json!(false)); 49]);
    for name in ["purge", "purge.delay.16s"] {
        let look = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let path = format!("/api/queues/%2f/{}/get", broker.queue(name));
        let messages = api(reqwest::Method::POST, &path, look).await;
        assert_eq!(messages[0]["properties"]["delivery_mode"], 2, "{name}: {messages}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_made_once_and_named() {
    let broker = Broker::fresh().await;
    broker.open().await;
    for name in ["purge", "purge.delay.16s"] {
        broker.delete(name).await;
    }
    let made = queue::provision(&broker.url()).await.unwrap();
    assert_eq!(made, [broker.queue("purge"), broker.queue("purge.delay.16s")]);
    assert!(queue::provision(&broker.url()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn message_before_its_time_goes_on_to_its_next_delay() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    let mut headers = FieldTable::default();
    let not_before = Clock::System.now().timestamp_millis() + 600_000;
    headers.insert("not_before".into(), AMQPValue::LongLongInt(not_before));
    broker.publish("purge", "early", BasicProperties::default().with_headers(headers)).await;
    assert!(queue.receive(LIVE, 1, Duration::from_secs(1)).await.unwrap().is_empty());
    let depth = queue.depth(Stage::Purge).await.unwrap();
    assert_eq!(depth, Depth { delayed: 1, ..Depth::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn publisher_whose_clock_is_ahead_delays_nothing_that_is_due() {
    let broker = Broker::fresh().await;
    let clock = Clock::manual(Clock::System.now() + chrono::TimeDelta::hours(1));
    let ahead = queue::open(&broker.url(), Options { lease: Duration::from_secs(1), clock }).await.unwrap();
    let queue = broker.open().await;
    publish(ahead.as_ref(), 1).await;
    let first = queue.receive(LIVE, 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!((number(&first), first.attempt), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn delay_of_many_stays_ends_on_time_and_costs_no_attempt() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    let began = std::time::Instant::now();
    // 1 s twice, 250 ms three times.
    let delay = Duration::from_millis(2_600);
    queue.publish(&job(1), delay).await.unwrap();
    let delivery = next(queue.as_ref()).await;
    let late = began.elapsed().checked_sub(delay).expect("not early");
    assert!(late < Duration::from_millis(900), "late by {late:?}");
    assert_eq!((number(&delivery), delivery.attempt), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_nobody_asks_for_any_more_go_to_others_uncharged() {
    let broker = Broker::fresh().await;
    let (one, other) = (broker.open().await, broker.open().await);
    // Its consumer is there for what might come next.
    assert!(one.receive(LIVE, 5, Duration::ZERO).await.unwrap().is_empty());
    for number in 0..3 {
        one.publish(&job(number), Duration::ZERO).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(next(other.as_ref()).await.attempt, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_goes_with_a_message_through_its_retries() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(trace.into()));
    broker.publish("purge", "traced", BasicProperties::default().with_headers(headers)).await;
    for _ in 0..2 {
        let delivery = next(queue.as_ref()).await;
        assert_eq!(delivery.trace_parent.as_ref().map(ToString::to_string).as_deref(), Some(trace));
        queue.settle(delivery, Settlement::RetryAfter { delay: Duration::ZERO, charge: true }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_deleted_under_way_is_told_and_made_again() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    assert!(queue.receive(LIVE, 1, Duration::ZERO).await.unwrap().is_empty());
    broker.delete("purge").await;
    let error = queue.publish(&job(1), Duration::ZERO).await.unwrap_err();
    assert!(problem(&error).contains(&broker.queue("purge")), "{error}");
    publish(queue.as_ref(), 2).await;
    assert_eq!(number(&next(queue.as_ref()).await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_receiver_outlives_the_deletion_of_its_queue() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    let receiver = std::sync::Arc::clone(&queue);
    let waiting = tokio::spawn(async move { next(receiver.as_ref()).await });
    while broker.counted("purge").await.1 == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    broker.delete("purge").await;
    publish(queue.as_ref(), 1).await;
    assert_eq!(number(&waiting.await.unwrap()), 1);
}

/// Confirms and returned messages come in no fixed order, and lapin pairs them by that order.
#[tokio::test(flavor = "multi_thread")]
async fn message_without_a_queue_is_never_confirmed_however_many_others_are() {
    let broker = Broker::fresh().await;
    broker.open().await;
    // Without the right to make it again.
    broker.delete("purge").await;
    let user = broker.user("", ".*", ".*").await;
    let opened = broker.open_at(&broker.url_for(&user, &broker.host(), "%2f")).await;
    assert!(problem(&opened.unwrap_err()).contains("is missing"));
    broker.open().await;
    let queue = broker.open_at(&broker.url_for(&user, &broker.host(), "%2f")).await.unwrap();
    broker.delete("purge").await;
    let published = join_all((0..200).map(|number| {
        let job = if number % 2 == 0 { job(number) } else { deliver(number) };
        let queue = &queue;
        async move { (job.stage(), queue.publish(&job, Duration::ZERO).await.is_ok()) }
    }));
    let published = published.await;
    let confirmed = |stage: Stage| published.iter().filter(|(each, ok)| *each == stage && *ok).count() as u64;
    assert_eq!(confirmed(Stage::Purge), 0);
    let there = broker.counted("deliver").await.0;
    assert!(confirmed(Stage::Deliver) <= there.into());
}

fn deliver(number: u32) -> queue::Job {
    let job = job(number);
    queue::Job::DeliverV1 {
        account_sid: job.account_sid().clone(),
        recording_sid: job.recording_sid().clone(),
        version: 1,
        is_backfill: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_that_the_broker_parked_has_a_reason_too() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    broker.publish("purge.dead", "{}", BasicProperties::default()).await;
    let letters = queue.dead_letters(Stage::Purge, 1).await.unwrap();
    assert!(letters[0].reason.contains("delivered too often"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_dead_letter_again_and_again_does_not_wear_it_out() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    broker.publish("purge.dead", "{}", BasicProperties::default()).await;
    for _ in 0..30 {
        while queue.dead_letters(Stage::Purge, 1).await.unwrap().is_empty() {}
    }
    let held = queue.receive(Lane::dead(Stage::Purge), 1, Duration::from_secs(5)).await.unwrap();
    assert_eq!(held[0].attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_handed_back_stays_as_it_was() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    publish(queue.as_ref(), 1).await;
    let parked = Settlement::DeadLetter { reason: "no such model".to_owned() };
    queue.settle(next(queue.as_ref()).await, parked).await.unwrap();
    let before = queue.dead_letters(Stage::Purge, 1).await.unwrap();
    let letter = queue.receive(Lane::dead(Stage::Purge), 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    let back = Settlement::RetryAfter { delay: Duration::from_secs(60), charge: true };
    queue.settle(letter, back).await.unwrap();
    let mut after = Vec::new();
    while after.is_empty() {
        after = queue.dead_letters(Stage::Purge, 1).await.unwrap();
    }
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_made_by_the_documented_script_are_taken_as_ours() {
    let broker = Broker::fresh().await;
    let page = include_str!("../../../../docs/engines/rabbitmq.md");
    let script = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let url = url::Url::parse(&variable("TEST_AMQP_API_URL")).unwrap();
    let admin = format!("{}:{}", url.username(), url.password().unwrap());
    let api = format!("http://{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let variables = [("ADMIN", admin.as_str()), ("API", &api), ("VHOST", "%2f"), ("PREFIX", &broker.prefix)];
    let ran = tokio::process::Command::new("sh").args(["-euc", script]).envs(variables).output().await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let made = broker.queues().await;
    // Who may declare compares every argument.
    broker.open().await.check().await.unwrap();
    assert_eq!(broker.queues().await, made);
}
