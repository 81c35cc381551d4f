//! New and old recordings' jobs, side by side.

use std::time::Duration;

use super::engine::{Engine, next_of, number};
use crate::{Delivery, Depth, Job, Lane, Queue, Settlement, Stage, redrive};

const STAGE: Stage = Stage::Transcribe;
const LIVE: Lane = Lane::live(STAGE);
const BACKFILL: Lane = Lane::backfill(STAGE);

async fn publish(queue: &dyn Queue, number: u32, is_backfill: bool) {
    let job = Job::TranscribeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
        version: 1,
        is_backfill,
    };
    queue.publish(&job, Duration::ZERO).await.unwrap();
}

async fn is_empty(queue: &dyn Queue, lane: Lane) -> bool {
    queue.receive(lane, 10, Duration::ZERO).await.unwrap().is_empty()
}

async fn settles_at(queue: &dyn Queue, expected: Depth) {
    let began = std::time::Instant::now();
    while queue.depth(STAGE).await.unwrap() != expected {
        let depth = queue.depth(STAGE).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "expected {expected:?}, is {depth:?}");
        // A look at an empty stage passes the time.
        queue.receive(Lane::live(Stage::Deliver), 1, Duration::from_millis(200)).await.unwrap();
    }
}

async fn settle(queue: &dyn Queue, delivery: Delivery, settlement: Settlement) {
    queue.settle(delivery, settlement).await.unwrap();
}

pub async fn backfill_waits_in_a_lane_of_its_own(engine: &dyn Engine) {
    let queue = engine.open().await;
    for number in 0..3 {
        publish(queue.as_ref(), number, true).await;
    }
    publish(queue.as_ref(), 7, false).await;
    settles_at(queue.as_ref(), Depth { ready: 1, backfill: 3, ..Depth::default() }).await;
    let live = next_of(queue.as_ref(), LIVE).await;
    assert_eq!(number(&live), 7);
    assert!(is_empty(queue.as_ref(), LIVE).await);
    settle(queue.as_ref(), live, Settlement::Ack).await;
    for _ in 0..3 {
        let old = next_of(queue.as_ref(), BACKFILL).await;
        assert!(number(&old) < 3);
        settle(queue.as_ref(), old, Settlement::Ack).await;
    }
    settles_at(queue.as_ref(), Depth::default()).await;
}

pub async fn backfill_outlives_the_handle_that_published_it(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1, true).await;
    drop(queue);
    assert_eq!(number(&next_of(engine.open().await.as_ref(), BACKFILL).await), 1);
}

pub async fn retry_and_lost_lease_stay_in_their_lane(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1, true).await;
    let first = next_of(one.as_ref(), BACKFILL).await;
    settle(one.as_ref(), first, Settlement::RetryAfter { delay: Duration::from_secs(1), charge: false }).await;
    // Dropped: its lease runs out.
    assert_eq!(next_of(one.as_ref(), BACKFILL).await.attempt, 1);
    let again = next_of(other.as_ref(), BACKFILL).await;
    assert_eq!((number(&again), again.attempt), (1, 2));
    assert!(is_empty(other.as_ref(), LIVE).await);
}

pub async fn dead_letters_of_both_lanes_go_back_where_they_came_from(engine: &dyn Engine) {
    let queue = engine.open().await;
    for (number, lane) in [(1, LIVE), (2, BACKFILL)] {
        publish(queue.as_ref(), number, lane == BACKFILL).await;
        let delivery = next_of(queue.as_ref(), lane).await;
        settle(queue.as_ref(), delivery, Settlement::DeadLetter { reason: format!("of {number}") }).await;
    }
    settles_at(queue.as_ref(), Depth { dead: 2, ..Depth::default() }).await;
    let mut reasons: Vec<_> =
        queue.dead_letters(STAGE, 10).await.unwrap().into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["of 1", "of 2"]);
    assert_eq!(redrive(queue.as_ref(), STAGE, 10).await.unwrap(), 2);
    settles_at(queue.as_ref(), Depth { ready: 1, backfill: 1, ..Depth::default() }).await;
    assert_eq!(number(&next_of(queue.as_ref(), LIVE).await), 1);
    assert_eq!(number(&next_of(queue.as_ref(), BACKFILL).await), 2);
}
