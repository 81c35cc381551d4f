//! How much is asked of Twilio at once, by all callers of one account together.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Notify;

/// Successes in a row after which one more request may be in flight.
const RAISE_AFTER: u32 = 20;
/// Refusals closer together than this count once: they answer what was sent before the first.
const LOWER_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A rate, and a number in flight that halves on 429 and creeps back. Twilio publishes neither limit; 429 (20429) says
/// that the account's concurrency was passed.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: DefaultDirectRateLimiter,
    state: Mutex<State>,
    freed: Notify,
    most: usize,
}

#[derive(Debug)]
struct State {
    limit: usize,
    in_flight: usize,
    successes: u32,
    lowered_at: Option<Instant>,
}

/// Leave to have one request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Limiter>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.locked().in_flight -= 1;
        self.0.freed.notify_one();
    }
}

impl Limiter {
    pub(crate) fn new(most: usize, requests_per_second: u32) -> Self {
        let per_second = NonZeroU32::new(requests_per_second).unwrap_or(NonZeroU32::MIN);
        let state = State { limit: most.max(1), in_flight: 0, successes: 0, lowered_at: None };
        Limiter {
            rate: RateLimiter::direct(Quota::per_second(per_second)),
            state: Mutex::new(state),
            freed: Notify::new(),
            most: most.max(1),
        }
    }

    /// Waits for a place and for the rate.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        let permit = loop {
            let freed = self.freed.notified();
            if let Some(permit) = self.try_permit() {
                break permit;
            }
            freed.await;
        };
        self.rate.until_ready().await;
        permit
    }

    fn try_permit(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.locked();
        let is_free = state.in_flight < state.limit;
        state.in_flight += usize::from(is_free);
        // A waiter that was woken while more places were free passes the news on.
        if is_free && state.in_flight < state.limit {
            self.freed.notify_one();
        }
        is_free.then(|| Permit(Arc::clone(self)))
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.locked();
        state.successes += 1;
        if state.successes >= RAISE_AFTER && state.limit < self.most {
            state.limit += 1;
            state.successes = 0;
            self.freed.notify_one();
        }
    }

    pub(crate) fn throttled(&self, now: Instant) {
        let mut state = self.locked();
        state.successes = 0;
        if state.lowered_at.is_none_or(|at| now.duration_since(at) >= LOWER_AT_MOST_EVERY) {
            state.limit = (state.limit / 2).max(1);
            state.lowered_at = Some(now);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(limiter: &Limiter) -> usize {
        limiter.locked().limit
    }

    #[test]
    fn limit_halves_on_refusal_once_a_second_and_creeps_back() {
        let limiter = Limiter::new(16, 1000);
        let now = Instant::now();
        limiter.throttled(now);
        limiter.throttled(now);
        assert_eq!(limit(&limiter), 8);
        limiter.throttled(now + LOWER_AT_MOST_EVERY);
        assert_eq!(limit(&limiter), 4);
        for _ in 0..RAISE_AFTER {
            limiter.succeeded();
        }
        assert_eq!(limit(&limiter), 5);
    }

    #[test]
    fn limit_never_falls_below_one_nor_rises_over_the_ceiling() {
        let limiter = Limiter::new(2, 1000);
        for second in 0..9 {
            limiter.throttled(Instant::now() + LOWER_AT_MOST_EVERY * second);
        }
        assert_eq!(limit(&limiter), 1);
        for _ in 0..RAISE_AFTER * 9 {
            limiter.succeeded();
        }
        assert_eq!(limit(&limiter), 2);
    }

    #[tokio::test]
    async fn request_over_the_limit_waits_for_a_place() {
        let limiter = Arc::new(Limiter::new(1, 1000));
        let first = limiter.permit().await;
        let second = limiter.permit();
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        second.await;
    }
}
