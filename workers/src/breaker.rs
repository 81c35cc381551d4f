//! A circuit breaker before a peer that may be down: while it is, its jobs stay in the queue but for one trial at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twilio::RecordingSid;

/// One recording may be what the peer stumbles over; so many in a row, and none that went well, are the peer's own fault.
const FAILED_MOST: usize = 3;
const REST_FIRST: Duration = Duration::from_secs(2);
const REST_MOST: Duration = Duration::from_secs(120);

/// What a receiver may take on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// As much as it has hands for.
    All,
    /// One job, to see whether the peer is back.
    Trial,
    /// Nothing before so much time has passed.
    Rest(Duration),
}

/// Closed at first. It opens when the peer fails, rests for a while, lets one job through, and closes when the peer has done
/// its work. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Recordings that failed since the last success.
    failed: BTreeSet<RecordingSid>,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    rests_until: Instant,
    rest: Duration,
    is_tried: bool,
}

impl Breaker {
    /// What may be received now. To look changes nothing: of several lanes the one that has a job may try it.
    pub(crate) fn allowance(&self, now: Instant) -> Allowance {
        match self.state().open {
            None => Allowance::All,
            Some(open) if now < open.rests_until => Allowance::Rest(open.rests_until - now),
            Some(_) => Allowance::Trial,
        }
    }

    /// A job was received for a trial: another rest begins, as long as the last one, and longer where the trial fails.
    pub(crate) fn tried(&self, now: Instant) {
        if let Some(open) = &mut self.state().open {
            open.is_tried = true;
            open.rests_until = now + open.rest;
        }
    }

    /// The peer did its work. Whether it had been thought down.
    pub(crate) fn succeeded(&self) -> bool {
        std::mem::take(&mut *self.state()).open.is_some()
    }

    /// The peer failed at this recording; `is_down` where it is known to be down, not just to have failed at this.
    pub(crate) fn failed(&self, sid: &RecordingSid, is_down: bool, now: Instant) -> Down {
        let mut state = self.state();
        if let Some(open) = &mut state.open {
            // What was under way before it opened fails too, and is no trial.
            if std::mem::take(&mut open.is_tried) {
                open.rest = (open.rest * 2).min(REST_MOST);
                open.rests_until = now + open.rest;
            }
            return Down::Still;
        }
        state.failed.insert(sid.clone());
        if !is_down && state.failed.len() < FAILED_MOST {
            return Down::No;
        }
        state.open = Some(Open { rests_until: now + REST_FIRST, rest: REST_FIRST, is_tried: false });
        Down::FromNowOn
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether a peer that failed counts as down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Down {
    /// It may be this one recording.
    No,
    /// It was up a moment ago.
    FromNowOn,
    /// It was down already.
    Still,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(digit: u32) -> RecordingSid {
        format!("RE{digit:032x}").parse().unwrap()
    }

    fn open_breaker(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        assert_eq!(breaker.failed(&sid(1), true, now), Down::FromNowOn);
        breaker
    }

    #[test]
    fn one_recording_that_fails_again_and_again_is_not_the_peers_fault() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(breaker.failed(&sid(1), false, now), Down::No);
        }
        assert_eq!(breaker.allowance(now), Allowance::All);
    }

    #[test]
    fn three_recordings_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(&sid(1), false, now);
        breaker.failed(&sid(2), false, now);
        assert!(!breaker.succeeded());
        assert_eq!([1, 2].map(|digit| breaker.failed(&sid(digit), false, now)), [Down::No; 2]);
        assert_eq!(breaker.failed(&sid(3), false, now), Down::FromNowOn);
        assert_eq!(breaker.failed(&sid(4), false, now), Down::Still);
        assert_eq!(breaker.allowance(now), Allowance::Rest(REST_FIRST));
    }

    #[test]
    fn open_it_lets_one_job_through_after_each_rest_and_rests_longer_each_time_that_fails() {
        let start = Instant::now();
        let breaker = open_breaker(start);
        let (mut now, mut rests) = (start, Vec::new());
        for _ in 0..7 {
            let Allowance::Rest(rest) = breaker.allowance(now) else { panic!("expected a rest") };
            rests.push(rest.as_secs());
            now += rest;
            assert_eq!([(); 2].map(|()| breaker.allowance(now)), [Allowance::Trial; 2], "to look changes nothing");
            breaker.tried(now);
            assert_eq!(breaker.allowance(now), Allowance::Rest(rest));
            assert_eq!(breaker.failed(&sid(2), false, now), Down::Still);
            breaker.failed(&sid(3), false, now);
        }
        assert_eq!(rests, [2, 4, 8, 16, 32, 64, 120]);
    }

    #[test]
    fn success_closes_it_and_forgets_what_failed() {
        let now = Instant::now();
        let breaker = open_breaker(now);
        assert!(breaker.succeeded());
        assert_eq!(breaker.allowance(now), Allowance::All);
        assert_eq!(breaker.failed(&sid(2), false, now), Down::No);
    }
}
