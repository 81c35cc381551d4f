//! The steps that purges take together: one transaction, or one request to the store, for many recordings. Each purge
//! goes its own way between them, and learns of its own recording alone.

use std::time::Duration;

use batches::{Batches, Limits, NoOutcome};
use catalog::{Catalog, Policy, PurgeDecision, PurgePermit, Purged};
use queue::Clock;
use twilio::RecordingSid;
use vault::{ObjectKey, Vault};

use crate::fault::{Fault, chain};

/// Two calls: one is worked at where the other one waits for the disk.
const LIMITS: Limits = Limits { entries: 64, calls: 2, waiting: 4096 };

/// The shared steps; dropped with the stage.
#[derive(Debug)]
pub struct SharedSteps {
    grants: Batches<RecordingSid, Result<PurgeDecision, Fault>>,
    deletions: Batches<Vec<ObjectKey>, Result<(), NotDeleted>>,
    completions: Batches<Purged, Result<(), Fault>>,
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
        self.grants.add(sid.clone()).await?
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
) -> Vec<Result<PurgeDecision, Fault>> {
    match catalog.grant_purges(&sids, &policy, lease, clock.now()).await {
        Ok(decisions) => decisions.into_iter().map(|decision| decision.map_err(Fault::from)).collect(),
        Err(error) => {
            let fault = Fault::from(error);
            sids.iter().map(|_| Err(fault.clone())).collect()
        }
    }
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
