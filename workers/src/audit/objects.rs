//! The look at every object: that a row names it.

use catalog::Work;
use chrono::NaiveDate;
use futures::TryStreamExt;
use twilio::RecordingSid;
use vault::{ObjectKey, ObjectMeta, ObjectStore, VaultError};

use super::finding::{Exception, Finding, Heal};
use super::{PAGE, Run, progress};
use crate::fault::Fault;
use crate::retention::UNFINISHED_AGE;
use crate::strays::{DAY, recording_of};

impl Run<'_> {
    pub(super) async fn look_at_objects(&mut self) -> Result<(), Fault> {
        let Some(store) = self.audit.store.as_deref() else { return Ok(()) };
        for (prefix, made_by) in [("recordings/", Work::Archive), ("transcripts/", Work::Transcribe)] {
            let mut pages = store.list(prefix).try_chunks(PAGE);
            while let Some(page) = pages.try_next().await.map_err(|broken| VaultError::from(broken.1))? {
                self.look_at_page(store, made_by, page).await?;
            }
        }
        // A sweep clears away what is a day old.
        let left = store.count_unfinished(UNFINISHED_AGE * 2).await.map_err(VaultError::from)?;
        if left > 0 {
            let what = format!("{left} broken-off writes of two days ago and longer are still in the vault");
            let heal = (Heal::SweepUnfinished, "a retention sweep with RECORDINGS_BUCKET set (--repair clears them)");
            self.found(Finding::new(Exception::UnfinishedWrites, None, what, heal)).await?;
        }
        Ok(())
    }

    async fn look_at_page(
        &mut self,
        store: &dyn ObjectStore,
        made_by: Work,
        page: Vec<ObjectMeta>,
    ) -> Result<(), Fault> {
        let window = self.audit.window;
        // What else somebody put there is theirs.
        let named = page.into_iter().filter_map(|object| Some((recording_of(&object.key)?, object)));
        let named: Vec<_> =
            named.filter(|(_, object)| day_of(&object.key).is_none_or(|day| window.holds(day))).collect();
        let sids: Vec<_> = named.iter().map(|(sid, _)| sid.clone()).collect();
        let rows = self.audit.catalog.known(&sids).await?;
        let transcripts = self.audit.catalog.transcripts_of(&sids).await?;
        for (sid, object) in &named {
            let Some(row) = rows.get(sid) else {
                self.unknown_object(store, sid, object).await?;
                continue;
            };
            let versions = transcripts.get(sid).map(Vec::as_slice).unwrap_or_default();
            if row.is_marked || row.names(versions, object.key.as_str()) || !self.is_old(object) {
                continue;
            }
            self.stray(store, sid, made_by, row.has_lost(made_by), object).await?;
        }
        self.summary.objects += named.len() as u64;
        progress("objects of the vault looked at", self.summary.objects, named.len() as u64);
        Ok(())
    }

    /// A younger one may be of a stage at work, which clears it away itself.
    fn is_old(&self, object: &ObjectMeta) -> bool {
        object.modified_at <= self.audit.clock.now() - DAY
    }

    /// A row is there before the first byte is written: it needs no time.
    async fn unknown_object(
        &mut self,
        store: &dyn ObjectStore,
        sid: &RecordingSid,
        object: &ObjectMeta,
    ) -> Result<(), Fault> {
        if !is_there(store, &object.key).await? {
            return Ok(());
        }
        let what = format!("{} is in the vault, and the catalog does not know its recording", object.key);
        let heals = "nothing here, it is never removed, for the catalog may be what lost it: where Twilio still lists \
                     the recording, `callvault reconcile --since` makes its row; else a newer backup of the catalog";
        self.found(Finding::new(Exception::UnknownObject, Some(sid), what, (Heal::None, heals))).await
    }

    async fn stray(
        &mut self,
        store: &dyn ObjectStore,
        sid: &RecordingSid,
        made_by: Work,
        is_deleted: bool,
        object: &ObjectMeta,
    ) -> Result<(), Fault> {
        if !is_there(store, &object.key).await? {
            return Ok(());
        }
        let finding = if is_deleted {
            let what = format!("{} was written after its deletion, and is still in the vault", object.key);
            let heals = "the retention sweep, which looks through the vault once a day (--repair removes it)";
            let heal = Heal::RemoveStray(made_by, object.key.clone());
            Finding::new(Exception::Stray, Some(sid), what, (heal, heals))
        } else {
            let what = format!("{} is in the vault, and its recording's row does not name it", object.key);
            let heals = "nothing here: callvault made no such object; it goes when the recording does";
            Finding::new(Exception::Stray, Some(sid), what, (Heal::None, heals))
        };
        self.found(finding).await
    }
}

/// A purge may have been at it since it was listed.
async fn is_there(store: &dyn ObjectStore, key: &ObjectKey) -> Result<bool, Fault> {
    Ok(store.head(key).await.map_err(VaultError::from)?.is_some())
}

/// The day in an object's key: `recordings/{AccountSid}/{YYYY}/{MM}/{DD}/…`.
fn day_of(key: &ObjectKey) -> Option<NaiveDate> {
    let mut parts = key.as_str().split('/').skip(2);
    let day = [parts.next()?, parts.next()?, parts.next()?].join("-");
    day.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_of_an_object_is_read_from_its_key() {
        let day = |key: &str| day_of(&key.parse().unwrap()).map(|day| day.to_string());
        assert_eq!(day("recordings/AC1/2026/01/31/RE1.wav.age").as_deref(), Some("2026-01-31"));
        assert_eq!(day("recordings/AC1/RE1.wav.age"), None);
    }
}
