//! The one policy for what becomes of a delivery.

use std::time::Duration;

use queue::Settlement;
use rand::Rng;

use crate::fault::{Fault, Handled};

/// How long transient faults are retried, from the first publish: a day covers a night and a morning's repair.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Attempts that are made whatever the age, about a day's: a job found late by a sweep, or of a backfill that waited for
/// days, deserves them too.
const ATTEMPTS_AT_LEAST: u32 = 150;
/// A job that takes its worker down each time never reports a fault: this bound parks it.
const ATTEMPTS_AT_MOST: u32 = 250;
/// Tries for media that is not what it should be: over an hour and a half, which outlasts a proxy that serves pages.
const SUSPECT_ATTEMPTS: u32 = 18;
/// Another worker may be at a recording for hours; one that died holds it for the length of a lease.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
const BUSY_PAUSE_MOST: Duration = Duration::from_secs(60);
const AWAY_PAUSE: Duration = Duration::from_secs(2);
const AWAY_PAUSE_MOST: Duration = Duration::from_secs(120);
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MOST: Duration = Duration::from_secs(600);
const THROTTLED_PAUSE: Duration = Duration::from_secs(5);
const UNAUTHORIZED_PAUSE: Duration = Duration::from_secs(30);
/// Below the default of RECONCILE_STUCK_AFTER_SECS: work that waits for its rights is not stuck.
const UNAUTHORIZED_PAUSE_MOST: Duration = Duration::from_secs(600);
const THROTTLED_PAUSE_MOST: Duration = Duration::from_secs(60);

/// What becomes of the `attempt`-th delivery (1-based) of a message first published `age` ago.
pub(crate) fn settlement(handled: &Handled, attempt: u32, age: Duration) -> Settlement {
    let Err(fault) = handled else { return Settlement::Ack };
    let later = |delay: Duration, charge: bool| Settlement::RetryAfter { delay: jittered(delay), charge };
    let dead = |reason: String| Settlement::DeadLetter { reason };
    match fault {
        Fault::Busy => later(growing(age, BUSY_PAUSE, BUSY_PAUSE_MOST), false),
        Fault::NotYet { after, .. } => later(*after, false),
        Fault::HandedBack => Settlement::RetryAfter { delay: Duration::ZERO, charge: false },
        Fault::Throttled { after: Some(after), .. } => later(*after, false),
        Fault::Throttled { after: None, .. } => later(growing(age, THROTTLED_PAUSE, THROTTLED_PAUSE_MOST), false),
        Fault::Away(_) => later(growing(age, AWAY_PAUSE, AWAY_PAUSE_MOST), false),
        Fault::Unauthorized(_) => later(growing(age, UNAUTHORIZED_PAUSE, UNAUTHORIZED_PAUSE_MOST), false),
        Fault::Transient(why) if is_out_of_patience(attempt, age) => {
            dead(format!("given up after {attempt} attempts: {why}"))
        }
        Fault::Suspect(why) if attempt >= SUSPECT_ATTEMPTS => dead(format!("given up after {attempt} attempts: {why}")),
        Fault::Transient(_) | Fault::Suspect(_) => later(backoff(attempt), true),
        Fault::Rejected(why) => dead(why.clone()),
    }
}

fn is_out_of_patience(attempt: u32, age: Duration) -> bool {
    attempt >= ATTEMPTS_AT_MOST || (attempt >= ATTEMPTS_AT_LEAST && age >= PATIENCE)
}

/// Whether a delivery has come so often that working on it again would only hurt.
pub(crate) fn is_spent(attempt: u32) -> bool {
    attempt > ATTEMPTS_AT_MOST
}

fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MOST)
}

/// Half as long again as the message is old: what lasts is asked after less and less.
fn growing(age: Duration, first: Duration, most: Duration) -> Duration {
    (age / 2).clamp(first, most)
}

/// Up to a fifth more, so that what failed together does not come back together.
fn jittered(delay: Duration) -> Duration {
    delay + delay.mul_f64(rand::rng().random_range(0.0..0.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn retry(settlement: Settlement) -> (Duration, bool) {
        match settlement {
            Settlement::RetryAfter { delay, charge } => (delay, charge),
            other => panic!("expected a retry, got {other:?}"),
        }
    }

    #[test]
    fn work_done_is_acked() {
        assert!(matches!(settlement(&Ok("archived"), 3, MINUTE), Settlement::Ack));
    }

    #[test]
    fn transient_fault_is_charged_and_its_delay_doubles_up_to_ten_minutes() {
        let fault = Err(Fault::Transient("reset".into()));
        for (attempt, least_secs) in [(1, 1), (2, 2), (3, 4), (9, 256), (11, 600), (60, 600)] {
            let (delay, charge) = retry(settlement(&fault, attempt, MINUTE));
            let least = Duration::from_secs(least_secs);
            assert!(charge && delay >= least && delay < least.mul_f64(1.21), "attempt {attempt}: {delay:?}");
        }
    }

    #[test]
    fn transient_fault_is_retried_for_a_day_and_then_parked_with_its_reason() {
        let fault = Err(Fault::Transient("disk full".into()));
        retry(settlement(&fault, 160, PATIENCE - MINUTE));
        let Settlement::DeadLetter { reason } = settlement(&fault, 160, PATIENCE) else {
            panic!("expected a dead letter")
        };
        assert!(reason.contains("160 attempts") && reason.contains("disk full"), "{reason}");
    }

    #[test]
    fn job_found_late_still_gets_a_days_attempts() {
        let fault = Err(Fault::Transient("reset".into()));
        retry(settlement(&fault, 149, PATIENCE * 3));
    }

    #[test]
    fn throttling_waiting_and_missing_rights_cost_no_attempt_however_long_they_last() {
        let after = Duration::from_secs(7);
        let faults = [
            Fault::NotYet { after, why: String::new() },
            Fault::Throttled { after: Some(after), why: String::new() },
            Fault::Unauthorized(String::new()),
            Fault::Away(String::new()),
            Fault::Busy,
        ];
        for fault in faults {
            let (delay, charge) = retry(settlement(&Err(fault), 249, PATIENCE * 9));
            assert!(!charge && delay >= after);
        }
    }

    #[test]
    fn missing_rights_are_asked_after_less_and_less() {
        let fault = Err(Fault::Unauthorized(String::new()));
        for (age_secs, least_secs) in [(0, 30), (60, 30), (200, 100), (86_400, 600)] {
            let (delay, _) = retry(settlement(&fault, 1, Duration::from_secs(age_secs)));
            let least = Duration::from_secs(least_secs);
            assert!(delay >= least && delay < least.mul_f64(1.21), "{age_secs}: {delay:?}");
        }
    }

    #[test]
    fn delivery_of_a_stopping_worker_goes_back_at_once_and_uncharged() {
        assert_eq!(retry(settlement(&Err(Fault::HandedBack), 1, MINUTE)), (Duration::ZERO, false));
    }

    #[test]
    fn suspect_media_is_tried_again_and_then_parked() {
        let fault = Err(Fault::Suspect("an XML page instead of audio".into()));
        retry(settlement(&fault, SUSPECT_ATTEMPTS - 1, MINUTE));
        assert!(matches!(settlement(&fault, SUSPECT_ATTEMPTS, MINUTE), Settlement::DeadLetter { .. }));
    }

    #[test]
    fn rejected_work_is_a_dead_letter_at_once() {
        let fault = Err(Fault::Rejected("no such model".into()));
        assert!(
            matches!(settlement(&fault, 1, MINUTE), Settlement::DeadLetter { reason } if reason == "no such model")
        );
    }
}
