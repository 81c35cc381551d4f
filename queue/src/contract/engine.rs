//! What a case gets to work with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::{Delivery, Depth, Job, Lane, Queue, Stage};

/// The stage that cases use where any would do.
pub(super) const STAGE: Stage = Stage::Purge;
/// How long a case waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Queues of their own, and what makes handles on them.
#[async_trait]
pub trait Engine: Send + Sync {
    /// A new handle on the same queues, as another process would have it.
    async fn open(&self) -> Arc<dyn Queue>;

    /// Publishes a body that need not be a job, by the engine's own means.
    async fn publish_raw(&self, stage: Stage, body: &str);
}

pub(super) fn job(number: u32) -> Job {
    Job::PurgeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
    }
}

/// The number that [`job`] was made of.
pub(super) fn number(delivery: &Delivery) -> u32 {
    delivery.job().unwrap().recording_sid().as_str()[2..].parse().unwrap()
}

pub(super) async fn publish(queue: &dyn Queue, number: u32) {
    queue.publish(&job(number), Duration::ZERO).await.unwrap();
}

/// The next delivery of a lane; it has to come.
pub(super) async fn next_of(queue: &dyn Queue, lane: Lane) -> Delivery {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(delivery) = queue.receive(lane, 1, Duration::from_secs(1)).await.unwrap().pop() {
            return delivery;
        }
    }
    panic!("nothing came to {lane:?} within {PATIENCE:?}");
}

pub(super) async fn next(queue: &dyn Queue) -> Delivery {
    next_of(queue, Lane::live(STAGE)).await
}

/// What comes within `wait`, if anything.
pub(super) async fn within(queue: &dyn Queue, wait: Duration) -> Option<Delivery> {
    queue.receive(Lane::live(STAGE), 1, wait).await.unwrap().pop()
}

/// Waits until the depth is as expected: engines may count a moment behind.
pub(super) async fn settles_at(queue: &dyn Queue, expected: Depth) {
    let began = Instant::now();
    loop {
        let depth = queue.depth(STAGE).await.unwrap();
        if depth == expected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "expected {expected:?}, is {depth:?}");
        // A look at an empty stage passes the time.
        queue.receive(Lane::live(Stage::Deliver), 1, Duration::from_millis(200)).await.unwrap();
    }
}
