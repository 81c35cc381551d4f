//! What is parked, and put back.

use std::time::Duration;

use super::engine::{Engine, STAGE, job, next, number, publish, settles_at, within};
use crate::{Clock, Depth, Queue, Settlement, Stage, redrive};

async fn park(queue: &dyn Queue, reason: &str) {
    let delivery = next(queue).await;
    queue.settle(delivery, Settlement::DeadLetter { reason: reason.to_owned() }).await.unwrap();
}

pub async fn dead_letter_keeps_its_body_reason_and_attempts(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    let first = next(queue.as_ref()).await;
    queue.settle(first, Settlement::RetryAfter { delay: Duration::ZERO, charge: true }).await.unwrap();
    park(queue.as_ref(), "no such model: “é”").await;
    settles_at(queue.as_ref(), Depth { dead: 1, ..Depth::default() }).await;
    let letters = queue.dead_letters(STAGE, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].attempt), (1, "no such model: “é”", 2));
    assert_eq!(letters[0].body, job(1).encode());
    let age = Clock::System.now() - letters[0].died_at;
    assert!(age.num_seconds().abs() < 60 && letters[0].published_at <= letters[0].died_at, "{age}");
}

pub async fn looking_at_dead_letters_moves_nothing(engine: &dyn Engine) {
    let queue = engine.open().await;
    for number in 0..3 {
        publish(queue.as_ref(), number).await;
        park(queue.as_ref(), "parked").await;
    }
    let expected = Depth { dead: 3, ..Depth::default() };
    settles_at(queue.as_ref(), expected).await;
    for _ in 0..2 {
        assert_eq!(queue.dead_letters(STAGE, 2).await.unwrap().len(), 2);
        settles_at(queue.as_ref(), expected).await;
    }
    assert!(within(queue.as_ref(), Duration::ZERO).await.is_none());
}

pub async fn dead_letters_are_found_in_their_stage_only(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    park(queue.as_ref(), "parked").await;
    settles_at(queue.as_ref(), Depth { dead: 1, ..Depth::default() }).await;
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != STAGE) {
        assert!(queue.dead_letters(stage, 10).await.unwrap().is_empty(), "{stage}");
        assert_eq!(redrive(queue.as_ref(), stage, 10).await.unwrap(), 0, "{stage}");
    }
}

pub async fn redriven_dead_letter_is_a_first_attempt_again(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    let first = next(queue.as_ref()).await;
    queue.settle(first, Settlement::RetryAfter { delay: Duration::ZERO, charge: true }).await.unwrap();
    park(queue.as_ref(), "parked").await;
    settles_at(queue.as_ref(), Depth { dead: 1, ..Depth::default() }).await;
    assert_eq!(redrive(queue.as_ref(), STAGE, 10).await.unwrap(), 1);
    let again = next(queue.as_ref()).await;
    assert_eq!((number(&again), again.attempt, &again.reason), (1, 1, &None));
    settles_at(queue.as_ref(), Depth { in_flight: 1, ..Depth::default() }).await;
}

pub async fn redrive_puts_back_no_more_than_asked_for(engine: &dyn Engine) {
    let queue = engine.open().await;
    for number in 0..3 {
        publish(queue.as_ref(), number).await;
        park(queue.as_ref(), "parked").await;
    }
    settles_at(queue.as_ref(), Depth { dead: 3, ..Depth::default() }).await;
    assert_eq!(redrive(queue.as_ref(), STAGE, 2).await.unwrap(), 2);
    settles_at(queue.as_ref(), Depth { ready: 2, dead: 1, ..Depth::default() }).await;
}

pub async fn redrive_leaves_what_it_cannot_read(engine: &dyn Engine) {
    let queue = engine.open().await;
    engine.publish_raw(STAGE, "not even JSON").await;
    park(queue.as_ref(), "unreadable").await;
    settles_at(queue.as_ref(), Depth { dead: 1, ..Depth::default() }).await;
    assert_eq!(redrive(queue.as_ref(), STAGE, 10).await.unwrap(), 0);
    settles_at(queue.as_ref(), Depth { dead: 1, ..Depth::default() }).await;
}

pub async fn depth_tells_what_waits_and_where(engine: &dyn Engine) {
    let queue = engine.open().await;
    for number in 0..4 {
        publish(queue.as_ref(), number).await;
    }
    park(queue.as_ref(), "parked").await;
    queue.publish(&job(4), Duration::from_secs(600)).await.unwrap();
    let _leased = next(queue.as_ref()).await;
    settles_at(queue.as_ref(), Depth { ready: 2, delayed: 1, backfill: 0, in_flight: 1, dead: 1 }).await;
}
