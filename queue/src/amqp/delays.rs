//! Delays, made of a few fixed ones: a queue a tier, whose messages go back to their lane when its time is over.
//!
//! One queue for all delays would not do: RabbitMQ lets messages expire at a queue's head only, so a long delay would
//! hold up the short ones behind it.

use std::time::Duration;

use crate::message::LaneKind;

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

/// A backfill's jobs may come back late by seconds.
const BACKFILL_TIERS: [Tier; 3] = [TIERS[2], TIERS[4], TIERS[6]];

/// One fixed delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tier {
    /// How its queues' names end.
    pub(super) name: &'static str,
    pub(super) ttl_ms: i32,
}

/// Of a lane. Dead letters are not delayed.
pub(super) fn tiers(kind: LaneKind) -> &'static [Tier] {
    match kind {
        LaneKind::Live => &TIERS,
        LaneKind::Backfill => &BACKFILL_TIERS,
        LaneKind::Dead => &[],
    }
}

/// Where a message stays next that may not be received for `remaining`: as long as fits, or the shortest tier for what
/// is left in the end. `None`: it is due.
pub(super) fn tier(kind: LaneKind, remaining: Duration) -> Option<&'static Tier> {
    if remaining.is_zero() {
        return None;
    }
    let tiers = tiers(kind);
    let fits = |tier: &&Tier| Duration::from_millis(tier.ttl_ms.unsigned_abs().into()) <= remaining;
    tiers.iter().rev().find(fits).or(tiers.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stays that make up a delay, and what they come to.
    fn stays(kind: LaneKind, delay: Duration) -> (usize, Duration) {
        let (mut count, mut passed) = (0, Duration::ZERO);
        while let Some(tier) = tier(kind, delay.saturating_sub(passed)) {
            (count, passed) = (count + 1, passed + Duration::from_millis(tier.ttl_ms.unsigned_abs().into()));
        }
        (count, passed)
    }

    #[test]
    fn any_delay_is_never_short_and_late_by_the_shortest_tier_at_most() {
        for kind in [LaneKind::Live, LaneKind::Backfill] {
            let shortest = Duration::from_millis(tiers(kind)[0].ttl_ms.unsigned_abs().into());
            for delay_ms in (1..5_000).step_by(7).chain((5_000..100_000_000).step_by(98_765)) {
                let delay = Duration::from_millis(delay_ms);
                let (_, passed) = stays(kind, delay);
                assert!(passed >= delay && passed - delay <= shortest, "{delay:?}: {passed:?}");
            }
        }
    }

    #[test]
    fn few_stays_make_up_a_delay() {
        let minute = Duration::from_secs(60);
        for (delay, most) in
            [(minute / 60, 1), (minute, 15), (10 * minute, 20), (60 * minute, 20), (1440 * minute, 100)]
        {
            for kind in [LaneKind::Live, LaneKind::Backfill] {
                assert!(stays(kind, delay).0 <= most, "{delay:?}: {}", stays(kind, delay).0);
            }
        }
    }

    #[test]
    fn what_is_due_is_not_delayed() {
        assert_eq!(tier(LaneKind::Live, Duration::ZERO), None);
    }
}
