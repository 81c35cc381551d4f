//! The retention sweep: a purge job for everything that policy says is due, and what died half-written removed.

use std::time::{Duration, Instant};

use catalog::{Catalog, DueCursor, Policy, Sweep};
use chrono::{DateTime, Utc};
use futures::{TryStreamExt, stream};
use queue::{Job, Queue};
use serde::Serialize;
use vault::{ObjectStore, VaultError};

use crate::again::{AGAIN_AFTER, SweepMode};
use crate::fault::Fault;

const PAGE: u32 = 500;
/// How many publishes wait for their confirm at once.
const PUBLISHES: usize = 64;
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
    if mode.is_dry_run() {
        return Ok(RetentionReport { due: catalog.overdue(policy, now).await?, published: 0 });
    }
    let (began, mut cursor, mut published) = (Instant::now(), DueCursor::default(), 0);
    loop {
        let sweep =
            Sweep { began_at: now, now: now + began.elapsed(), again_before: mode.again_before(now, AGAIN_AFTER) };
        let page = catalog.take_due_for_purge(policy, sweep, &mut cursor, PAGE).await?;
        if page.items().is_empty() {
            return Ok(RetentionReport { due: published, published });
        }
        published += page.items().len() as u64;
        let jobs = page
            .items()
            .iter()
            .cloned()
            .map(|(account_sid, recording_sid)| Job::PurgeV1 { account_sid, recording_sid });
        stream::iter(jobs.map(Ok))
            .try_for_each_concurrent(PUBLISHES, async |job| queue.publish(&job, Duration::ZERO).await)
            .await?;
        page.keep().await?;
    }
}

/// Removes what puts that were broken off a day ago or earlier left in the store, and returns how many. It is sealed,
/// but nobody else would ever delete it.
///
/// Safe to run at any time, any number of times and in several places at once.
pub async fn sweep_unfinished(store: &dyn ObjectStore) -> Result<usize, Fault> {
    store.sweep_unfinished(UNFINISHED_AGE).await.map_err(|error| VaultError::from(error).into())
}
