//! When a sweep queues again what one queued before.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// What was queued is left to the queue for this long. The queue tries a job for a day with pauses of at most ten minutes,
/// and keeps it however long nobody works: a sweep need not say it again each time, only soon enough after a queue was
/// lost that nothing is kept a day too long.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_secs(6 * 3600);

/// What a sweep does with what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepMode {
    /// Counts it.
    DryRun,
    /// Queues it, except for what a sweep queued lately.
    Regular,
    /// Queues all of it: the queue was lost.
    Again,
}

impl SweepMode {
    /// What was queued at this time or later is left out by a sweep that began at `began_at`, if what was queued is left
    /// alone for `interval`. What another sweep queues at the same time is always left to it.
    pub(crate) fn again_before(self, began_at: DateTime<Utc>, interval: Duration) -> DateTime<Utc> {
        match self {
            SweepMode::DryRun | SweepMode::Regular => {
                began_at - TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX)
            }
            SweepMode::Again => began_at,
        }
    }

    pub(crate) fn is_dry_run(self) -> bool {
        self == SweepMode::DryRun
    }
}
