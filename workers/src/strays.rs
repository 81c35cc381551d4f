//! The sweep of the vault: objects that no kept recording can own. A put may land after its recording was purged, when
//! its worker lost its claim and then died, so that nobody is left who knows of it.

use catalog::{Catalog, Pass, Work};
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use queue::Clock;
use serde::Serialize;
use twilio::RecordingSid;
use vault::{ObjectKey, ObjectMeta, ObjectStore, StoreError, VaultError};

use crate::fault::Fault;
use crate::stray::{Stray, remove_stray};

const PAGE: usize = 500;
/// A younger object may belong to a stage at work, and listing a big bucket costs: once a day is soon enough.
pub(crate) const DAY: TimeDelta = TimeDelta::days(1);

/// What a sweep of the vault found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StrayReport {
    /// Objects removed that were written after their recording was purged.
    pub strays_removed: u64,
    /// Objects of recordings that the catalog does not know. They are never removed: a catalog that was restored from
    /// an old backup must not cost recordings.
    pub strays: u64,
}

/// Lists the vault's recordings and transcripts and removes the strays among those written a day ago or earlier; nothing,
/// where that was done within a day and `is_forced` does not ask for it.
///
/// Safe to run at any time, any number of times and in several places at once. Memory holds a page.
pub async fn sweep_strays(
    catalog: &Catalog,
    store: &dyn ObjectStore,
    clock: &Clock,
    is_forced: bool,
) -> Result<StrayReport, Fault> {
    let mut report = StrayReport::default();
    let now = clock.now();
    let last = catalog.last_pass(&Pass::Objects).await?;
    if !is_forced && last.is_some_and(|last| last > now - DAY) {
        return Ok(report);
    }
    for (prefix, made_by) in [("recordings/", Work::Archive), ("transcripts/", Work::Transcribe)] {
        let mut pages = store.list(prefix).try_chunks(PAGE);
        while let Some(page) = pages.try_next().await.map_err(|broken| listing(broken.1))? {
            let old = old_keys(page, now);
            sweep_page(catalog, store, clock, made_by, old, &mut report).await?;
        }
    }
    catalog.complete_pass(&Pass::Objects, now).await?;
    Ok(report)
}

/// One look at all of a page; only what seems a stray is looked at again, under its lock.
async fn sweep_page(
    catalog: &Catalog,
    store: &dyn ObjectStore,
    clock: &Clock,
    made_by: Work,
    keys: Vec<(RecordingSid, ObjectKey)>,
    report: &mut StrayReport,
) -> Result<(), Fault> {
    let sids: Vec<_> = keys.iter().map(|(sid, _)| sid.clone()).collect();
    let keeping = catalog.keeping(&sids, made_by).await?;
    for (sid, key) in keys.into_iter().filter(|(sid, _)| !keeping.contains(sid)) {
        match remove_stray(catalog, store, clock, (&sid, made_by, &key)).await? {
            Stray::None => {}
            Stray::Removed => report.strays_removed += 1,
            Stray::Unknown => {
                report.strays += 1;
                tracing::warn!(recording.sid = %sid, object = %key, "the catalog does not know this object's recording");
            }
        }
    }
    Ok(())
}

/// Those written a day ago or earlier, with the recording each is named after; what else somebody put there is theirs.
fn old_keys(page: Vec<ObjectMeta>, now: DateTime<Utc>) -> Vec<(RecordingSid, ObjectKey)> {
    let old = page.into_iter().filter(|object| object.modified_at <= now - DAY);
    old.filter_map(|object| Some((recording_of(&object.key)?, object.key))).collect()
}

/// The recording an object is named after.
pub(crate) fn recording_of(key: &ObjectKey) -> Option<RecordingSid> {
    let name = key.as_str().rsplit('/').next()?;
    name.split('.').next()?.parse().ok()
}

fn listing(error: StoreError) -> Fault {
    VaultError::from(error).into()
}
