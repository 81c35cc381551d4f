//! What this process has in hand, and how long it may count on it.
//!
//! A standard queue does not say that a receipt handle is stale: `DeleteMessage` with an old one succeeds and deletes
//! nothing, or another receiver's message. So a lease is judged by our own clock, which runs out before SQS's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::attributes::Attributes;
use crate::error::QueueError;
use crate::message::Lane;

/// The visibility that SQS grants is longer than our lease by this: our clock starts when an answer is here, or
/// before a request goes out, and SQS's somewhere on the way.
const MARGIN_SECS: u64 = 1;
/// SQS hides a message no longer than 12 hours from its receive, however often that is extended.
const VISIBILITY_SECS_MOST: u64 = 12 * 3600;

/// One delivery in hand.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) lane: Lane,
    /// What the message carries on when it is sent again.
    pub(super) attributes: Attributes,
    received: Instant,
    until: Instant,
}

/// The deliveries in hand, by receipt handle.
#[derive(Debug)]
pub(super) struct Leases {
    length: Duration,
    held: Mutex<HashMap<String, Lease>>,
}

impl Leases {
    /// Leases of `length`, in whole seconds and at least one.
    pub(super) fn new(length: Duration) -> Leases {
        let secs = length.as_secs() + u64::from(length.subsec_nanos() > 0);
        let secs = secs.clamp(1, VISIBILITY_SECS_MOST - MARGIN_SECS);
        Leases { length: Duration::from_secs(secs), held: Mutex::default() }
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// What a receive asks SQS for.
    pub(super) fn visibility_secs(&self) -> i32 {
        secs(self.length.as_secs() + MARGIN_SECS)
    }

    /// Starts the lease of what was `received` then; forgets those that ran out.
    pub(super) fn begin(&self, handle: String, lane: Lane, attributes: Attributes, received: Instant) {
        let now = Instant::now();
        let mut held = self.held();
        held.retain(|_, lease| lease.until > now);
        held.insert(handle, Lease { lane, attributes, received, until: received + self.length });
    }

    /// A lease that has not run out.
    pub(super) fn get(&self, handle: &str) -> Result<Lease, QueueError> {
        let lease = self.held().get(handle).cloned();
        lease.filter(|lease| lease.until > Instant::now()).ok_or(QueueError::LeaseLost)
    }

    /// Ends a lease that has not run out.
    pub(super) fn end(&self, handle: &str) -> Result<Lease, QueueError> {
        let lease = self.held().remove(handle);
        lease.filter(|lease| lease.until > Instant::now()).ok_or(QueueError::LeaseLost)
    }

    /// The visibility to ask SQS for now, for a whole new lease or what its 12 hours leave of one.
    pub(super) fn extension_secs(&self, lease: &Lease) -> Result<i32, QueueError> {
        let left = VISIBILITY_SECS_MOST.saturating_sub(lease.received.elapsed().as_secs() + MARGIN_SECS);
        let asked = (self.length.as_secs() + MARGIN_SECS).min(left);
        if asked > MARGIN_SECS { Ok(secs(asked)) } else { Err(QueueError::LeaseLost) }
    }

    /// SQS granted `visibility_secs` in answer to what was asked `at`.
    pub(super) fn renew(&self, handle: &str, at: Instant, visibility_secs: i32) {
        let length = Duration::from_secs(u64::from(visibility_secs.unsigned_abs()) - MARGIN_SECS);
        if let Some(lease) = self.held().get_mut(handle) {
            lease.until = at + length;
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        // Every change is one statement: a panic elsewhere leaves the map whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn secs(secs: u64) -> i32 {
    i32::try_from(secs).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    const LENGTH: Duration = Duration::from_secs(60);

    fn begun() -> Leases {
        let leases = Leases::new(LENGTH);
        leases.begin("handle".to_owned(), Lane::live(Stage::Archive), Attributes::default(), Instant::now());
        leases
    }

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn lease_ends_before_sqs_shows_the_message_to_others() {
        let leases = begun();
        assert_eq!(leases.visibility_secs(), 61);
        pass(LENGTH - Duration::from_millis(1)).await;
        leases.get("handle").unwrap();
        pass(Duration::from_millis(1)).await;
        assert!(matches!(leases.get("handle"), Err(QueueError::LeaseLost)));
        assert!(matches!(leases.end("handle"), Err(QueueError::LeaseLost)));
    }

    /// Other calls of the same receive may take seconds longer.
    #[tokio::test(start_paused = true)]
    async fn lease_counts_from_when_its_message_was_here() {
        let leases = Leases::new(LENGTH);
        let received = Instant::now();
        pass(LENGTH / 2).await;
        leases.begin("handle".to_owned(), Lane::live(Stage::Archive), Attributes::default(), received);
        pass(LENGTH / 2).await;
        assert!(matches!(leases.get("handle"), Err(QueueError::LeaseLost)));
    }

    #[tokio::test(start_paused = true)]
    async fn renewed_lease_counts_from_when_it_was_asked_for() {
        let leases = begun();
        pass(LENGTH / 2).await;
        let asked = Instant::now();
        pass(LENGTH / 4).await;
        leases.renew("handle", asked, 61);
        pass(LENGTH / 2).await;
        leases.get("handle").unwrap();
        pass(LENGTH / 4).await;
        assert!(matches!(leases.end("handle"), Err(QueueError::LeaseLost)));
    }

    #[tokio::test(start_paused = true)]
    async fn extensions_stop_at_the_12_hours_that_sqs_allows() {
        let leases = Leases::new(5 * Duration::from_secs(3600));
        leases.begin("handle".to_owned(), Lane::live(Stage::Archive), Attributes::default(), Instant::now());
        for (hours, expected) in [(4, 5 * 3600 + 1), (4, 4 * 3600 - 1), (3, 3600 - 1)] {
            pass(Duration::from_secs(hours * 3600)).await;
            let lease = leases.get("handle").unwrap();
            assert_eq!(leases.extension_secs(&lease).unwrap(), expected);
            leases.renew("handle", Instant::now(), expected);
        }
        let lease = leases.get("handle").unwrap();
        pass(Duration::from_secs(3600)).await;
        assert!(matches!(leases.extension_secs(&lease), Err(QueueError::LeaseLost)));
    }

    #[test]
    fn lease_is_whole_seconds_that_sqs_takes() {
        for (asked_ms, visibility_secs) in [(1, 2), (1000, 2), (1001, 3), (43_200_000, 43_200), (u64::MAX, 43_200)] {
            assert_eq!(Leases::new(Duration::from_millis(asked_ms)).visibility_secs(), visibility_secs, "{asked_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deliveries_that_were_dropped_are_forgotten() {
        let leases = begun();
        pass(LENGTH).await;
        leases.begin("another".to_owned(), Lane::live(Stage::Archive), Attributes::default(), Instant::now());
        assert_eq!(leases.held().len(), 1);
    }
}
