//! From publish to receive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::future::try_join_all;

use super::engine::{Engine, STAGE, job, next, next_of, number, publish, within};
use crate::{Clock, Delivery, Lane, Receipt, Settlement, Stage};

const DELAY: Duration = Duration::from_secs(2);
/// Engines count in whole seconds or milliseconds, from a moment of their own.
const EARLY: Duration = Duration::from_millis(100);

pub async fn published_message_is_received_as_it_was(engine: &dyn Engine) {
    let queue = engine.open().await;
    let before = Clock::System.now() - TimeDelta::seconds(2);
    publish(queue.as_ref(), 1).await;
    let delivery = next(queue.as_ref()).await;
    assert_eq!((delivery.job().unwrap(), delivery.attempt, &delivery.reason), (job(1), 1, &None));
    assert!((before..before + TimeDelta::seconds(60)).contains(&delivery.published_at), "{}", delivery.published_at);
}

pub async fn message_outlives_the_handle_that_published_it(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    drop(queue);
    assert_eq!(number(&next(engine.open().await.as_ref()).await), 1);
}

pub async fn message_of_one_process_is_received_by_another(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    assert_eq!(number(&next(other.as_ref()).await), 1);
}

pub async fn delayed_message_is_not_received_early(engine: &dyn Engine) {
    let queue = engine.open().await;
    let began = Instant::now();
    queue.publish(&job(1), DELAY).await.unwrap();
    assert_eq!(number(&next(queue.as_ref()).await), 1);
    assert!(began.elapsed() + EARLY >= DELAY, "came after {:?}", began.elapsed());
}

pub async fn delayed_message_holds_up_no_other(engine: &dyn Engine) {
    let queue = engine.open().await;
    queue.publish(&job(1), Duration::from_secs(60)).await.unwrap();
    publish(queue.as_ref(), 2).await;
    assert_eq!(number(&next(queue.as_ref()).await), 2);
}

pub async fn shorter_delay_ends_first(engine: &dyn Engine) {
    let queue = engine.open().await;
    queue.publish(&job(1), 3 * DELAY).await.unwrap();
    queue.publish(&job(2), DELAY / 2).await.unwrap();
    for expected in [2, 1] {
        let delivery = next(queue.as_ref()).await;
        assert_eq!(number(&delivery), expected);
        queue.settle(delivery, Settlement::Ack).await.unwrap();
    }
}

pub async fn stages_do_not_mix(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != STAGE) {
        assert!(queue.receive(Lane::live(stage), 1, Duration::ZERO).await.unwrap().is_empty(), "{stage}");
    }
    assert_eq!(next_of(queue.as_ref(), Lane::live(STAGE)).await.job().unwrap().stage(), STAGE);
}

pub async fn many_published_at_once_are_each_received_once(engine: &dyn Engine) {
    let queue = engine.open().await;
    let publishing = (0..300).map(|number| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { publish(queue.as_ref(), number).await })
    });
    for published in publishing.collect::<Vec<_>>() {
        published.await.unwrap();
    }
    let mut received = BTreeSet::new();
    while received.len() < 300 {
        let deliveries = queue.receive(Lane::live(STAGE), 10, Duration::from_secs(5)).await.unwrap();
        for delivery in &deliveries {
            assert!(received.insert(number(delivery)), "{} came twice", number(delivery));
        }
        // Few, and all at once: none of their leases runs out meanwhile, slow as the server may be.
        try_join_all(deliveries.into_iter().map(|delivery| queue.settle(delivery, Settlement::Ack))).await.unwrap();
    }
}

pub async fn receive_gives_no_more_than_asked_for(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    for number in 0..5 {
        publish(one.as_ref(), number).await;
    }
    let first = one.receive(Lane::live(STAGE), 2, Duration::from_secs(5)).await.unwrap();
    assert!((1..=2).contains(&first.len()), "{}", first.len());
    // What was not asked for is there for others.
    for _ in first.len()..5 {
        next(other.as_ref()).await;
    }
}

pub async fn waiting_receiver_is_woken_by_a_publish(engine: &dyn Engine) {
    let queue = engine.open().await;
    let waiting = Arc::clone(&queue);
    let waiting = tokio::spawn(async move { within(waiting.as_ref(), Duration::from_secs(20)).await.is_some() });
    publish(queue.as_ref(), 1).await;
    assert!(waiting.await.unwrap());
}

pub async fn receive_with_nothing_to_give_ends_with_its_wait(engine: &dyn Engine) {
    let queue = engine.open().await;
    let began = Instant::now();
    assert!(within(queue.as_ref(), Duration::from_secs(1)).await.is_none());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

pub async fn abandoned_receive_loses_nothing(engine: &dyn Engine) {
    let queue = engine.open().await;
    for _ in 0..10 {
        let receive = within(queue.as_ref(), Duration::from_secs(20));
        let _ = tokio::time::timeout(Duration::from_millis(5), receive).await;
    }
    publish(queue.as_ref(), 1).await;
    assert_eq!(number(&next(queue.as_ref()).await), 1);
}

pub async fn message_that_is_no_job_is_delivered_for_others_to_judge(engine: &dyn Engine) {
    let queue = engine.open().await;
    engine.publish_raw(STAGE, "{\"job\":\"DanceV1\"}").await;
    publish(queue.as_ref(), 2).await;
    let (mut poison, mut jobs) = (0, 0);
    for _ in 0..2 {
        let delivery = next(queue.as_ref()).await;
        if delivery.job().is_err() {
            poison += 1
        } else {
            jobs += 1
        }
        queue.settle(delivery, Settlement::DeadLetter { reason: "seen".to_owned() }).await.unwrap();
    }
    assert_eq!((poison, jobs), (1, 1));
}

pub async fn forwarded_message_is_received_as_it_was_first_published(engine: &dyn Engine) {
    let queue = engine.open().await;
    let from_elsewhere = Delivery {
        body: job(1).encode(),
        attempt: 7,
        published_at: "2026-01-01T00:00:00.123Z".parse().unwrap(),
        reason: None,
        trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap()),
        receipt: Receipt { id: 5, token: "another queue's".to_owned() },
    };
    queue.forward(STAGE, &from_elsewhere).await.unwrap();
    let delivery = next(queue.as_ref()).await;
    assert_eq!((delivery.job().unwrap(), delivery.attempt), (job(1), 1));
    assert_eq!(delivery.published_at, from_elsewhere.published_at);
    assert_eq!(delivery.trace_parent, from_elsewhere.trace_parent);
}

pub async fn healthy_engine_passes_its_check(engine: &dyn Engine) {
    let queue = engine.open().await;
    queue.check().await.unwrap();
    queue.check_rights().await.unwrap();
    assert!(within(queue.as_ref(), Duration::ZERO).await.is_none(), "a check leaves nothing behind");
}
