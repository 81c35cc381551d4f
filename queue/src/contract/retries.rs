//! Deliveries given back.

use std::time::{Duration, Instant};

use super::engine::{Engine, next, publish};
use crate::Settlement;

fn later(delay: Duration, charge: bool) -> Settlement {
    Settlement::RetryAfter { delay, charge }
}

pub async fn retry_comes_after_its_delay(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    let delivery = next(queue.as_ref()).await;
    let began = Instant::now();
    // Longer than a lease: the delay counts, not what is left of the lease.
    let delay = queue.lease() + Duration::from_secs(2);
    queue.settle(delivery, later(delay, true)).await.unwrap();
    next(queue.as_ref()).await;
    assert!(began.elapsed() + Duration::from_millis(100) >= delay, "came after {:?}", began.elapsed());
}

pub async fn only_charged_attempts_count(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    for (charge, expected) in [(true, 1), (false, 2), (false, 2), (true, 2), (true, 3)] {
        let delivery = next(queue.as_ref()).await;
        assert_eq!(delivery.attempt, expected);
        queue.settle(delivery, later(Duration::ZERO, charge)).await.unwrap();
    }
}

pub async fn handed_back_delivery_is_received_at_once(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    let delivery = next(one.as_ref()).await;
    let began = Instant::now();
    one.settle(delivery, later(Duration::ZERO, false)).await.unwrap();
    assert_eq!(next(other.as_ref()).await.attempt, 1);
    assert!(began.elapsed() < one.lease(), "came after {:?}", began.elapsed());
}

pub async fn retries_keep_when_it_was_first_published(engine: &dyn Engine) {
    let queue = engine.open().await;
    publish(queue.as_ref(), 1).await;
    let first = next(queue.as_ref()).await;
    let published_at = first.published_at;
    queue.settle(first, later(Duration::from_secs(1), true)).await.unwrap();
    assert_eq!(next(queue.as_ref()).await.published_at, published_at);
}
