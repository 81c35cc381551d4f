//! The steps that purges take together: one transaction, or one request to the store, for many recordings. Each purge
//! goes its own way between them, and learns of its own recording alone.

use std::slice;
use std::time::Duration;

use batches::{Batches, Limits, NoOutcome};
use catalog::{Catalog, Policy, PurgeDecision, PurgePermit, Purged};
use queue::Clock;
use tokio::runtime::Handle;
use twilio::RecordingSid;
use vault::{ObjectKey, Vault};

use crate::fault::{Fault, chain};

/// Two calls: one is worked at where the other one waits for the disk.
const LIMITS: Limits = Limits { entries: 64, calls: 2, waiting: 4096 };

/// The shared steps; dropped with the stage.
#[derive(Debug)]
pub struct SharedSteps {
    grants: Batches<RecordingSid, Result<Granted, Fault>>,
    deletions: Batches<Vec<ObjectKey>, Result<(), NotDeleted>>,
    completions: Batches<Purged, Result<(), Fault>>,
}

/// What the gate said, until it is taken. Where whoever asked has left, what it granted is taken back: a mark that nobody
/// works at would stand against a hold, and a claim against other workers.
#[derive(Debug)]
struct Granted {
    decision: Option<PurgeDecision>,
    catalog: Catalog,
    clock: Clock,
}

impl Granted {
    fn take(mut self) -> PurgeDecision {
        self.decision.take().unwrap_or(PurgeDecision::Claimed)
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let (Some(PurgeDecision::Granted(permit)), Ok(runtime)) = (self.decision.take(), Handle::try_current()) else {
            return;
        };
        let (catalog, clock) = (self.catalog.clone(), self.clock.clone());
        runtime.spawn(async move {
            let claim = permit.claim().clone();
            let withdrawn = catalog.withdraw_purge(permit, clock.now()).await;
            if let Err(error) = withdrawn.and(catalog.release_claim(&claim, clock.now()).await) {
                let sid = claim.recording_sid();
                tracing::warn!(recording.sid = %sid, error = chain(&error), "purge not taken back: the next one goes on");
            }
        });
    }
}

/// Why a recording's objects are not seen to be gone.
#[derive(Debug)]
pub(super) struct NotDeleted {
    pub(super) fault: Fault,
    /// Something may be deleted by now.
    pub(super) has_begun: bool,
}

impl SharedSteps {
    /// Needs a tokio runtime. A worker that died keeps others from its recordings for `lease`.
    pub fn new(catalog: &Catalog, vault: &Vault, clock: &Clock, policy: Policy, lease: Duration) -> SharedSteps {
        let (gate, granted_by) = (catalog.clone(), clock.clone());
        let (books, completed_by) = (catalog.clone(), clock.clone());
        let vault = vault.clone();
        SharedSteps {
            grants: Batches::new(LIMITS, move |sids| grant_all(gate.clone(), granted_by.clone(), policy, lease, sids)),
            deletions: Batches::new(LIMITS, move |recordings| delete_all(vault.clone(), recordings)),
            completions: Batches::new(LIMITS, move |purged| complete_all(books.clone(), completed_by.clone(), purged)),
        }
    }

    /// What the gate says of the recording.
    pub(super) async fn grant(&self, sid: &RecordingSid) -> Result<PurgeDecision, Fault> {
        self.grants.add(sid.clone()).await?.map(Granted::take)
    }

    /// Deletes a recording's objects, and sees that they are gone. A store that does not answer is found out before
    /// anything is deleted.
    pub(super) async fn delete(&self, objects: Vec<ObjectKey>) -> Result<(), NotDeleted> {
        let not_tried = |error: NoOutcome| NotDeleted { has_begun: error == NoOutcome::Lost, fault: error.into() };
        self.deletions.add(objects).await.map_err(not_tried)?
    }

    /// Writes down that all of it is gone.
    pub(super) async fn complete(&self, permit: PurgePermit, evidence: String) -> Result<(), Fault> {
        self.completions.add(Purged { permit, evidence }).await?
    }
}

async fn grant_all(
    catalog: Catalog,
    clock: Clock,
    policy: Policy,
    lease: Duration,
    sids: Vec<RecordingSid>,
) -> Vec<Result<Granted, Fault>> {
    let asked = async |sids: &[RecordingSid]| catalog.grant_purges(sids, &policy, lease, clock.now()).await;
    let decisions = match asked(&sids).await {
        // One of them can't be read, say: that is its own trouble.
        Err(error) if !error.is_transient() && sids.len() > 1 => {
            let mut decisions = Vec::new();
            for sid in &sids {
                decisions.extend(asked(slice::from_ref(sid)).await.unwrap_or_else(|error| vec![Err(error)]));
            }
            decisions
        }
        Err(error) => {
            let fault = Fault::from(error);
            return sids.iter().map(|_| Err(fault.clone())).collect();
        }
        Ok(decisions) => decisions,
    };
    let granted = |decision| Granted { decision: Some(decision), catalog: catalog.clone(), clock: clock.clone() };
    decisions.into_iter().map(|decision| decision.map(granted).map_err(Fault::from)).collect()
}

async fn delete_all(vault: Vault, recordings: Vec<Vec<ObjectKey>>) -> Vec<Result<(), NotDeleted>> {
    let keys = recordings.concat();
    if let Some(first) = keys.first()
        && let Err(error) = vault.head(first).await
    {
        let fault = Fault::from(error);
        let not_begun = |_| Err(NotDeleted { has_begun: false, fault: fault.clone() });
        return recordings.iter().map(not_begun).collect();
    }
    let mut deleted = vault.delete_all(&keys).await.into_iter();
    let mut of_one = |objects: &Vec<ObjectKey>| {
        let deleted: Vec<_> = deleted.by_ref().take(objects.len()).collect();
        let failed = |error| NotDeleted { has_begun: true, fault: Fault::from(error) };
        deleted.into_iter().collect::<Result<(), _>>().map_err(failed)
    };
    recordings.iter().map(&mut of_one).collect()
}

async fn complete_all(catalog: Catalog, clock: Clock, purged: Vec<Purged>) -> Vec<Result<(), Fault>> {
    let count = purged.len();
    match catalog.complete_purges(purged, clock.now()).await {
        Ok(completed) => completed.into_iter().map(|completed| completed.map_err(Fault::from)).collect(),
        Err(error) => vec![Err(Fault::from(error)); count],
    }
}

impl From<NoOutcome> for Fault {
    fn from(error: NoOutcome) -> Self {
        Fault::Transient(chain(&error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use futures::stream::{self, StreamExt};
    use vault::{S3Options, generate_identity_file, open_store};

    use super::*;
    use crate::testing::completed;

    async fn vault_in(folder: &Path) -> Vault {
        let store = open_store(&format!("file:{}/vault", folder.display()), S3Options::default()).await.unwrap();
        let recipients = generate_identity_file(&folder.join("identity.txt")).unwrap();
        Vault::new(store, recipients, None)
    }

    fn objects<const N: usize>(names: [&str; N]) -> Vec<ObjectKey> {
        names.iter().map(|name| format!("recordings/AC1/2026/01/31/{name}.age").parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn grant_that_nobody_takes_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
        catalog.migrate().await.unwrap();
        let recording = completed();
        let clock = Clock::manual("2026-11-20T09:00:00Z".parse().unwrap());
        catalog.hear(&recording, clock.now()).await.unwrap();
        let policy = Policy { retention_days: 0, transcript_days: 0, twilio_delete_after_days: None };
        let lease = Duration::from_secs(60);
        let sids = vec![recording.recording_sid.clone()];
        let granted = grant_all(catalog.clone(), clock.clone(), policy, lease, sids.clone()).await;
        assert!(matches!(&granted[..], [Ok(Granted { decision: Some(PurgeDecision::Granted(_)), .. })]), "{granted:?}");
        drop(granted);
        while catalog.place_hold(&sids[0], "a lawsuit", "anna", clock.now()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn object_that_stays_fails_its_own_recording_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault_in(folder.path()).await;
        vault.store().prepare().await.unwrap();
        let recordings = vec![objects(["a", "b"]), objects(["c", "d", "e"]), objects(["f"])];
        for key in recordings.concat() {
            vault.store().put(&key, stream::iter([Ok("media".into())]).boxed(), None).await.unwrap();
        }
        // What is a folder can't be removed as a file.
        let stays = folder.path().join("vault").join(recordings[1][0].as_str());
        std::fs::remove_file(&stays).unwrap();
        std::fs::create_dir(&stays).unwrap();
        let deleted = delete_all(vault.clone(), recordings.clone()).await;
        assert!(matches!(deleted[..], [Ok(()), Err(NotDeleted { has_begun: true, .. }), Ok(())]), "{deleted:?}");
        assert_eq!(vault.head(&recordings[2][0]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn store_that_is_not_there_is_found_out_before_anything_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault_in(folder.path()).await;
        let deleted = delete_all(vault, vec![objects(["a"]), objects(["b"])]).await;
        assert!(
            deleted.iter().all(|deleted| matches!(deleted, Err(NotDeleted { has_begun: false, .. }))),
            "{deleted:?}"
        );
    }
}
