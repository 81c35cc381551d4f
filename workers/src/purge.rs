//! Purge: everything a permit names is deleted, each thing is seen to be gone, and only then is it written down.

mod shared;

use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, PurgeDecision, PurgePermit, StoredObject};
use queue::{Clock, Queue};
use tokio_util::sync::CancellationToken;
use twilio::RecordingSid;
use vault::{ObjectKey, Vault};

pub use self::shared::SharedSteps;

use crate::archive_again::{Again, ArchiveAgain};
use crate::claimed::Claims;
use crate::copy::{self, Copy};
use crate::fault::{Fault, Handled};
use crate::twilio_copy;

use self::shared::NotDeleted;

/// Pause where another stage is at work on the recording.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);

/// In whose name the audit log says that a broken copy is archived again.
const ACTOR: &str = "callvault";

/// How far one attempt has come.
#[derive(Debug, Default)]
struct Attempt {
    /// Something may be deleted by now: it can't be taken back.
    has_begun: bool,
    evidence: Vec<String>,
}

/// Why an attempt ended.
enum Failed {
    Fault(Fault),
    /// Our copy, which is to stay, is broken: nothing was deleted by this attempt.
    BrokenCopy(String),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Failed::Fault(fault)
    }
}

/// The purge stage: the only code that deletes what was kept, and only what a [`PurgePermit`] names.
#[derive(Debug)]
pub struct Purge {
    /// Where the archive of a broken copy is published.
    pub queue: Arc<dyn Queue>,
    /// The truth about each recording, and the gate.
    pub catalog: Catalog,
    /// Where our copies are.
    pub vault: Vault,
    /// Where Twilio's copy is.
    pub twilio: twilio::Client,
    /// The one clock.
    pub clock: Clock,
    /// What it does for many recordings at once, with the catalog, vault and clock of this.
    pub shared: SharedSteps,
    /// How long a worker that died keeps others from its recording.
    pub lease: Duration,
}

impl Purge {
    /// Deletes what of the recording is due now, if anything. The job is only a hint: policy, holds and erasure
    /// requests are read from the catalog. Safe to run again: what is gone already counts as deleted. An attempt that
    /// fails before it deleted anything takes its mark off again, so that a hold can be placed before the next.
    pub async fn handle(&self, sid: &RecordingSid, stop: &CancellationToken) -> Handled {
        let granting = self.shared.grant(sid);
        let decision = tokio::select! {
            decision = granting => decision?,
            () = stop.cancelled() => return Err(Fault::HandedBack),
        };
        let permit = match decision {
            PurgeDecision::NotDue => return Ok("not due"),
            PurgeDecision::Held => return Ok("kept: under a legal hold"),
            PurgeDecision::Gone => return Ok("already deleted"),
            PurgeDecision::Busy => {
                let why = "another stage is at work on the recording".to_owned();
                return Err(Fault::NotYet { after: CONFLICT_PAUSE, why });
            }
            PurgeDecision::Claimed => return Err(Fault::Busy),
            PurgeDecision::Granted(permit) => permit,
        };
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.lease };
        claims.keep_while(&permit.claim().clone(), stop, self.purge(permit)).await
    }

    async fn purge(&self, permit: PurgePermit) -> Handled {
        let mut attempt = Attempt::default();
        if let Err(failed) = self.delete(&permit, &mut attempt).await {
            let sid = permit.recording_sid().clone();
            if !attempt.has_begun {
                self.catalog.withdraw_purge(permit, self.clock.now()).await?;
            }
            return match failed {
                Failed::Fault(fault) => Err(fault),
                Failed::BrokenCopy(what) => self.archive_again(&sid, &what).await,
            };
        }
        self.shared.complete(permit, attempt.evidence.join("; ")).await?;
        Ok("purged")
    }

    /// Ours before Twilio's: nothing of ours outlives its date because Twilio is away or refuses our key.
    async fn delete(&self, permit: &PurgePermit, attempt: &mut Attempt) -> Result<(), Failed> {
        if let Some(media) = permit.media_to_verify() {
            // Twilio's may go while ours stays only when ours is whole: opened and hashed where a key is at hand. First of
            // all: where ours is to be archived again, nothing may have begun.
            let vault = Some(&self.vault).filter(|vault| vault.can_open());
            match copy::look(self.vault.store().as_ref(), vault, media).await? {
                Copy::Whole(evidence) => attempt.evidence.push(evidence),
                Copy::Broken(what) => return Err(Failed::BrokenCopy(what)),
            }
        }
        let objects = permit.media().into_iter().chain(permit.transcripts()).map(key);
        let objects = objects.collect::<Result<Vec<_>, _>>()?;
        if !objects.is_empty() {
            attempt.evidence.extend(objects.iter().map(|key| format!("{key} seen to be gone")));
            if let Err(NotDeleted { fault, has_begun }) = self.shared.delete(objects).await {
                attempt.has_begun = has_begun;
                return Err(fault.into());
            }
            attempt.has_begun = true;
        }
        if permit.deletes_twilio_copy() {
            let had_begun = std::mem::replace(&mut attempt.has_begun, true);
            match twilio_copy::delete(&self.twilio, permit, self.clock.now()).await {
                Ok(evidence) => attempt.evidence.push(evidence),
                Err(not_gone) => {
                    attempt.has_begun = had_begun || !not_gone.is_refused;
                    return Err(not_gone.fault.into());
                }
            }
        }
        Ok(())
    }

    /// Our copy is broken, and Twilio's is kept: it is archived from there once more, the first time. The deletion of
    /// Twilio's comes with the sweep after that.
    async fn archive_again(&self, sid: &RecordingSid, what: &str) -> Handled {
        let kept = |why: &str| {
            Fault::Rejected(format!(
                "{what}; Twilio's copy is kept{why}: put the object back from a backup, or find out what damages the \
                 vault, run `callvault audit --open --repair`, then redrive"
            ))
        };
        let row = self.catalog.recording(sid).await?.ok_or_else(|| kept(""))?;
        if row.is_marked {
            return Err(kept(", for an earlier attempt may have deleted something, and ended before it was seen"));
        }
        if row.was_archived_again() {
            return Err(kept(", and ours was archived again once already"));
        }
        let again = ArchiveAgain {
            queue: self.queue.as_ref(),
            catalog: &self.catalog,
            twilio: &self.twilio,
            clock: &self.clock,
        };
        match again.run(&row, ACTOR, what).await? {
            Again::Queued => Ok("our copy is broken: it is archived again"),
            Again::Refused(why) => Err(kept(&format!(" ({why})"))),
        }
    }
}

fn key(object: &StoredObject) -> Result<ObjectKey, Fault> {
    object.key.parse().map_err(|error| Fault::Rejected(format!("{}: {error}", object.key)))
}
