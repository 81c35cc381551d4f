//! How much is asked of Twilio at once, by all callers of one account together.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// Successes in a row after which one more request may be in flight.
const RAISE_AFTER: u32 = 20;
/// Refusals closer together than this count once: they answer what was sent before the first.
const LOWER_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Longest that a Retry-After holds everyone up; whoever is told to wait longer is told so again.
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// A rate, and a number in flight that halves on 429 and creeps back. Twilio publishes neither limit; 429 (20429) says
/// that the account's concurrency was passed. Who waits is served in turn.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: RateLimiter<NotKeyed, InMemoryState, TokioClock>,
    places: Semaphore,
    /// Told of each place that is given back.
    freed: Notify,
    state: Mutex<State>,
    most: usize,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Places over the limit that were taken when it fell: they go when they are given back.
    surplus: usize,
    successes: u32,
    lowered_at: Option<Instant>,
    /// When Twilio takes requests again, where it said so.
    not_before: Option<Instant>,
}

/// Tokio's time, so that tests can set it.
#[derive(Debug, Clone)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Leave to have one request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Limiter>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.add_place(&mut self.0.locked());
    }
}

impl Limiter {
    pub(crate) fn new(most: usize, requests_per_second: u32) -> Self {
        let (most, per_second) = (most.max(1), NonZeroU32::new(requests_per_second).unwrap_or(NonZeroU32::MIN));
        // Evenly spread: a burst of a whole second's requests would make two seconds' of the first. What is let through
        // at once makes good for timers that only know milliseconds.
        let at_once = NonZeroU32::new(per_second.get() / 100).unwrap_or(NonZeroU32::MIN);
        Limiter {
            rate: RateLimiter::direct_with_clock(Quota::per_second(per_second).allow_burst(at_once), TokioClock),
            places: Semaphore::new(most),
            freed: Notify::new(),
            state: Mutex::new(State { limit: most, surplus: 0, successes: 0, lowered_at: None, not_before: None }),
            most,
        }
    }

    /// Waits for a place, for the time that Twilio asked for, and for the rate.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        self.places.acquire().await.expect("nobody closes the semaphore").forget();
        self.in_time(Permit(Arc::clone(self))).await
    }

    /// As [`Limiter::permit`], for what can wait: only where a place is left over, which is others', or there is but one.
    pub(crate) async fn spare_permit(self: &Arc<Self>) -> Permit {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(permit) = self.try_spare() {
                return self.in_time(permit).await;
            }
            freed.await;
        }
    }

    /// Under the lock: of two that see the same two places one must see the other.
    fn try_spare(self: &Arc<Self>) -> Option<Permit> {
        let state = self.locked();
        let least = if state.limit == 1 { 1 } else { 2 };
        if self.places.available_permits() < least {
            return None;
        }
        self.places.try_acquire().ok()?.forget();
        Some(Permit(Arc::clone(self)))
    }

    async fn in_time(&self, permit: Permit) -> Permit {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
        while let Err(early) = self.rate.check() {
            tokio::time::sleep(early.wait_time_from(TokioClock.now())).await;
        }
        permit
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.locked();
        state.successes = state.successes.saturating_add(1);
        if state.successes >= RAISE_AFTER && state.limit < self.most {
            state.limit += 1;
            state.successes = 0;
            self.add_place(&mut state);
        }
    }

    /// How much longer Twilio asked to be left alone.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.paused_until().map(|until| until.saturating_duration_since(Instant::now()))
    }

    fn paused_until(&self) -> Option<Instant> {
        self.locked().not_before.filter(|until| *until > Instant::now())
    }

    /// Twilio refused a request, and may have said for how long it will.
    pub(crate) fn throttled(&self, retry_after: Option<Duration>) {
        let mut state = self.locked();
        state.successes = 0;
        let now = Instant::now();
        let until = retry_after.map(|wait| now + wait.min(PAUSE_MOST));
        state.not_before = state.not_before.max(until);
        if state.lowered_at.is_none_or(|at| now.duration_since(at) >= LOWER_AT_MOST_EVERY) {
            let fewer = state.limit / 2;
            state.limit -= fewer;
            state.surplus += fewer - self.places.forget_permits(fewer);
            state.lowered_at = Some(now);
        }
    }

    fn add_place(&self, state: &mut State) {
        match state.surplus {
            0 => self.places.add_permits(1),
            _ => state.surplus -= 1,
        }
        self.freed.notify_waiters();
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn limiter(most: usize) -> Arc<Limiter> {
        Arc::new(Limiter::new(most, 1_000_000))
    }

    /// As many permits as there are.
    fn all(limiter: &Arc<Limiter>) -> Vec<Permit> {
        std::iter::from_fn(|| limiter.permit().now_or_never()).collect()
    }

    fn free(limiter: &Arc<Limiter>) -> usize {
        all(limiter).len()
    }

    fn succeed(limiter: &Limiter, times: u32) {
        (0..times).for_each(|_| limiter.succeeded());
    }

    #[tokio::test(start_paused = true)]
    async fn limit_halves_on_refusal_once_a_second() {
        let limiter = limiter(16);
        limiter.throttled(None);
        tokio::time::advance(Duration::from_millis(999)).await;
        limiter.throttled(None);
        assert_eq!(free(&limiter), 8);
        tokio::time::advance(Duration::from_millis(1)).await;
        limiter.throttled(None);
        assert_eq!(free(&limiter), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_before_the_time_that_twilio_asked_for_or_a_minute() {
        for (asked_secs, secs) in [(7, 7), (3600, 60)] {
            let (limiter, began) = (limiter(4), Instant::now());
            limiter.throttled(Some(Duration::from_secs(asked_secs)));
            limiter.throttled(Some(Duration::from_secs(1)));
            drop(limiter.permit().await);
            assert_eq!(began.elapsed().as_secs(), secs);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limit_never_falls_below_one() {
        let limiter = limiter(5);
        for limit in [3, 2, 1, 1, 1] {
            limiter.throttled(None);
            assert_eq!(free(&limiter), limit);
            tokio::time::advance(LOWER_AT_MOST_EVERY).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limit_rises_by_one_for_successes_in_a_row_up_to_the_ceiling() {
        let limiter = limiter(6);
        limiter.throttled(None);
        succeed(&limiter, RAISE_AFTER - 1);
        limiter.throttled(None);
        succeed(&limiter, RAISE_AFTER - 1);
        assert_eq!(free(&limiter), 3);
        limiter.succeeded();
        assert_eq!(free(&limiter), 4);
        succeed(&limiter, RAISE_AFTER * 9);
        assert_eq!(free(&limiter), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_that_falls_below_what_is_in_flight_is_kept_as_that_ends() {
        let limiter = limiter(8);
        let mut in_flight = all(&limiter);
        limiter.throttled(None);
        for in_flight_after in [7, 6, 5, 4] {
            in_flight.pop();
            assert_eq!((in_flight.len(), free(&limiter)), (in_flight_after, 0));
        }
        drop(in_flight);
        assert_eq!(free(&limiter), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_that_rises_below_what_is_in_flight_lets_nothing_in() {
        let limiter = limiter(8);
        let in_flight = all(&limiter);
        limiter.throttled(None);
        succeed(&limiter, RAISE_AFTER);
        assert_eq!(free(&limiter), 0);
        drop(in_flight);
        assert_eq!(free(&limiter), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_request_goes_before_one_that_comes_later() {
        let limiter = limiter(1);
        let mut first = all(&limiter);
        let mut waiting = Box::pin(limiter.permit());
        assert!(waiting.as_mut().now_or_never().is_none());
        first.clear();
        assert_eq!(free(&limiter), 0);
        assert!(waiting.as_mut().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn request_given_up_while_it_waits_leaves_its_place_to_the_next() {
        let limiter = limiter(1);
        let first = all(&limiter);
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(limiter.permit())).collect();
        assert!(waiting.iter_mut().all(|permit| permit.as_mut().now_or_never().is_none()));
        drop(first);
        drop(waiting.remove(0));
        assert!(waiting[0].as_mut().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_leaves_a_place_for_what_cannot() {
        let limiter = limiter(3);
        let taken: Vec<Permit> = std::iter::from_fn(|| limiter.spare_permit().now_or_never()).collect();
        assert_eq!((taken.len(), free(&limiter)), (2, 1));
        let mut waiting = Box::pin(limiter.spare_permit());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(taken);
        assert!(waiting.as_mut().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_takes_its_turn_where_there_is_but_one_place() {
        let limiter = limiter(1);
        drop(limiter.spare_permit().now_or_never().unwrap());
        let held = all(&limiter);
        assert!(limiter.spare_permit().now_or_never().is_none());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn request_given_up_while_the_rate_holds_it_up_gives_its_place_back() {
        let limiter = Arc::new(Limiter::new(1, 1));
        drop(limiter.permit().await);
        assert!(limiter.permit().now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(limiter.permit().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_requests_than_the_rate() {
        for per_second in [1, 10, 50, 500] {
            let limiter = Arc::new(Limiter::new(16, per_second));
            let began = Instant::now();
            let mut at = Vec::new();
            for _ in 0..per_second * 3 {
                drop(limiter.permit().await);
                at.push(began.elapsed());
            }
            let most = (0..at.len()).map(|first| within_a_second(&at[first..])).max().unwrap();
            assert!(most <= per_second as usize * 101 / 100 + 1, "{most} at {per_second} a second");
            assert!(began.elapsed() < Duration::from_secs(4), "{:?} at {per_second} a second", began.elapsed());
        }
    }

    fn within_a_second(at: &[Duration]) -> usize {
        at.iter().take_while(|later| **later - at[0] < Duration::from_secs(1)).count()
    }
}
