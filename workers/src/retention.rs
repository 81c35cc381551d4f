//! The retention sweep: a purge job for everything that policy says is due, and what died half-written removed.

use std::time::{Duration, Instant};

use catalog::{Catalog, Policy, Sweep};
use chrono::{DateTime, Utc};
use queue::{Job, Queue};
use serde::Serialize;
use vault::{ObjectStore, VaultError};

use crate::again::{AGAIN_AFTER, SweepMode};
use crate::fault::Fault;

const PAGE: u32 = 500;
/// An unfinished put this old is nobody's any more: a stage is given 25 minutes for all it does.
pub(crate) const UNFINISHED_AGE: Duration = Duration::from_secs(24 * 3600);

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    /// Recordings of which something is past its date and not held.
    pub due: u64,
    /// Purge jobs published; 0 in a dry run.
    pub published: u64,
}

/// Publishes a purge job for each recording of which something is due at `now`, as `mode` says.
///
/// Safe to run at any time, any number of times and in several places at once: those share what is due, the purge stage
/// decides anew, and deletes once.
pub async fn retention_sweep(
    catalog: &Catalog,
    queue: &dyn Queue,
    policy: &Policy,
    now: DateTime<Utc>,
    mode: SweepMode,
) -> Result<RetentionReport, Fault> {
    let mut report = RetentionReport::default();
    let mut last = None;
    let began = Instant::now();
    loop {
        let page = if mode.is_dry_run() {
            catalog.due_for_purge(policy, now, last.as_ref(), PAGE).await?
        } else {
            let sweep =
                Sweep { began_at: now, now: now + began.elapsed(), again_before: mode.again_before(now, AGAIN_AFTER) };
            catalog.take_due_for_purge(policy, sweep, last.as_ref(), PAGE).await?
        };
        let Some((_, newest)) = page.last() else { return Ok(report) };
        last = Some(newest.clone());
        report.due += page.len() as u64;
        for (account_sid, recording_sid) in page.into_iter().filter(|_| !mode.is_dry_run()) {
            queue.publish(&Job::PurgeV1 { account_sid, recording_sid }, Duration::ZERO).await?;
            report.published += 1;
        }
    }
}

/// Removes what puts that were broken off a day ago or earlier left in the store, and returns how many. It is sealed, but
/// nobody else would ever delete it.
///
/// Safe to run at any time, any number of times and in several places at once.
pub async fn sweep_unfinished(store: &dyn ObjectStore) -> Result<usize, Fault> {
    store.sweep_unfinished(UNFINISHED_AGE).await.map_err(|error| VaultError::from(error).into())
}
