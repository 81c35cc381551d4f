//! Delays, made of a few fixed ones: a queue a tier, whose messages go back to their stage when its time is over.
//!
//! One queue for all delays would not do: RabbitMQ lets messages expire at a queue's head only, so a long delay would
//! hold up the short ones behind it.

use std::time::Duration;

/// Four times longer each: at most three stays in each on the way up to an hour, and late by no more than the shortest.
/// There are few of them because a quorum queue costs a broker memory and file handles.
const TIERS: [Tier; 7] = [
    Tier { name: "250ms", ttl_ms: 250 },
    Tier { name: "1s", ttl_ms: 1_000 },
    Tier { name: "4s", ttl_ms: 4_000 },
    Tier { name: "16s", ttl_ms: 16_000 },
    Tier { name: "64s", ttl_ms: 64_000 },
    Tier { name: "256s", ttl_ms: 256_000 },
    Tier { name: "1024s", ttl_ms: 1_024_000 },
];

/// One fixed delay.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tier {
    /// How its queues' names end.
    pub(super) name: &'static str,
    pub(super) ttl_ms: i32,
}

pub(super) fn tiers() -> &'static [Tier] {
    &TIERS
}

/// Where a message stays next that may not be received for `remaining`: as long as fits, or the shortest tier for what
/// is left in the end. `None`: it is due.
pub(super) fn tier(remaining: Duration) -> Option<&'static Tier> {
    if remaining.is_zero() {
        return None;
    }
    let fits = |tier: &&Tier| Duration::from_millis(tier.ttl_ms.unsigned_abs().into()) <= remaining;
    Some(TIERS.iter().rev().find(fits).unwrap_or(&TIERS[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stays that make up a delay, and what they come to.
    fn stays(delay: Duration) -> (usize, Duration) {
        let (mut count, mut passed) = (0, Duration::ZERO);
        while let Some(tier) = tier(delay.saturating_sub(passed)) {
            (count, passed) = (count + 1, passed + Duration::from_millis(tier.ttl_ms.unsigned_abs().into()));
        }
        (count, passed)
    }

    #[test]
    fn any_delay_is_never_short_and_late_by_the_shortest_tier_at_most() {
        for delay_ms in (1..5_000).step_by(7).chain((5_000..100_000_000).step_by(98_765)) {
            let delay = Duration::from_millis(delay_ms);
            let (_, passed) = stays(delay);
            assert!(passed >= delay && passed - delay <= Duration::from_millis(250), "{delay:?}: {passed:?}");
        }
    }

    #[test]
    fn few_stays_make_up_a_delay() {
        let minute = Duration::from_secs(60);
        for (delay, most) in
            [(minute / 60, 1), (minute, 10), (10 * minute, 18), (60 * minute, 20), (1440 * minute, 100)]
        {
            assert!(stays(delay).0 <= most, "{delay:?}: {}", stays(delay).0);
        }
    }

    #[test]
    fn what_is_due_is_not_delayed() {
        assert_eq!(tier(Duration::ZERO), None);
    }
}
