//! Purge: everything a permit names is deleted, each thing is seen to be gone, and only then is it written down.

use std::io;
use std::time::Duration;

use aws_lc_rs::digest;
use catalog::{Catalog, Claim, Policy, PurgeDecision, PurgePermit, StoredObject, Work};
use futures::TryStreamExt;
use queue::Clock;
use tokio_util::sync::CancellationToken;
use twilio::RecordingSid;
use vault::{ObjectKey, Vault, VaultError};

use crate::claimed::Claims;
use crate::fault::{Fault, Handled, chain};
use crate::twilio_copy;

/// Pause where another stage is at work on the recording.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);

/// How far one attempt has come.
#[derive(Debug, Default)]
struct Attempt {
    /// Something may be deleted by now: it can't be taken back.
    has_begun: bool,
    evidence: Vec<String>,
}

/// The purge stage: the only code that deletes what was kept, and only what a [`PurgePermit`] names.
#[derive(Debug)]
pub struct Purge {
    /// The truth about each recording, and the gate.
    pub catalog: Catalog,
    /// Where our copies are.
    pub vault: Vault,
    /// Where Twilio's copy is.
    pub twilio: twilio::Client,
    /// The one clock.
    pub clock: Clock,
    /// What falls due when.
    pub policy: Policy,
    /// How long a worker that died keeps others from its recording.
    pub lease: Duration,
}

impl Purge {
    /// Deletes what of the recording is due now, if anything. The job is only a hint: policy, holds and erasure
    /// requests are read from the catalog. Safe to run again: what is gone already counts as deleted. An attempt that
    /// fails before it deleted anything takes its mark off again, so that a hold can be placed before the next.
    pub async fn handle(&self, sid: &RecordingSid, stop: &CancellationToken) -> Handled {
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.lease };
        claims.with(sid, Work::Purge, stop, |held| self.purge(held.claim)).await
    }

    async fn purge(&self, claim: Claim) -> Handled {
        let permit = match self.catalog.grant_purge(&claim, &self.policy, self.clock.now()).await? {
            PurgeDecision::NotDue => return Ok("not due"),
            PurgeDecision::Held => return Ok("kept: under a legal hold"),
            PurgeDecision::Gone => return Ok("already deleted"),
            PurgeDecision::Busy => {
                let why = "another stage is at work on the recording".to_owned();
                return Err(Fault::NotYet { after: CONFLICT_PAUSE, why });
            }
            PurgeDecision::Granted(permit) => permit,
        };
        let mut attempt = Attempt::default();
        if let Err(fault) = self.delete(&permit, &mut attempt).await {
            if !attempt.has_begun {
                self.catalog.withdraw_purge(&claim, permit, self.clock.now()).await?;
            }
            return Err(fault);
        }
        self.catalog.complete_purge(&claim, permit, &attempt.evidence.join("; "), self.clock.now()).await?;
        Ok("purged")
    }

    /// Ours first: nothing of ours outlives its date because Twilio is away or refuses our key.
    async fn delete(&self, permit: &PurgePermit, attempt: &mut Attempt) -> Result<(), Fault> {
        for object in permit.media().into_iter().chain(permit.transcripts()) {
            let key = key(object)?;
            if !attempt.has_begun {
                // A store that does not answer is found out before anything is deleted.
                self.vault.head(&key).await?;
            }
            attempt.has_begun = true;
            self.vault.delete(&key).await?;
            attempt.evidence.push(format!("{key} seen to be gone"));
        }
        if let Some(media) = permit.media_to_verify() {
            attempt.evidence.push(self.verify(media).await?);
        }
        if permit.deletes_twilio_copy() {
            let had_begun = std::mem::replace(&mut attempt.has_begun, true);
            match twilio_copy::delete(&self.twilio, permit, self.clock.now()).await {
                Ok(evidence) => attempt.evidence.push(evidence),
                Err(not_gone) => {
                    attempt.has_begun = had_begun || !not_gone.is_refused;
                    return Err(not_gone.fault);
                }
            }
        }
        Ok(())
    }

    /// Twilio's copy may go while ours stays only when ours is whole: opened and hashed where a key is at hand, else
    /// there in its full sealed length.
    async fn verify(&self, media: &StoredObject) -> Result<String, Fault> {
        let key = key(media)?;
        let wrong = |what: &str| {
            Fault::Rejected(format!(
                "{key}: {what}; Twilio's copy is kept: put the object back from a backup, then redrive"
            ))
        };
        let head = self.vault.head(&key).await?.ok_or_else(|| wrong("the archived copy is not there"))?;
        if head.bytes != media.sealed_bytes {
            return Err(wrong("the archived copy has another length than was written"));
        }
        if !self.vault.can_open() {
            return Ok(format!("{key} verified by its {} sealed bytes", head.bytes));
        }
        let mut sha256 = digest::Context::new(&digest::SHA256);
        let mut body = self.vault.open(&key).await?;
        while let Some(chunk) = body.try_next().await.map_err(|error| unreadable(error, wrong))? {
            sha256.update(&chunk);
        }
        let sha256: String = sha256.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if sha256 != media.sha256 {
            return Err(wrong("the archived copy has another SHA-256 than was written"));
        }
        Ok(format!("{key} opened and verified by SHA-256"))
    }
}

fn key(object: &StoredObject) -> Result<ObjectKey, Fault> {
    object.key.parse().map_err(|error| Fault::Rejected(format!("{}: {error}", object.key)))
}

/// A copy that cannot be read today is not a damaged one.
fn unreadable(error: io::Error, wrong: impl Fn(&str) -> Fault) -> Fault {
    let error = VaultError::of_body(error);
    if error.is_transient() { error.into() } else { wrong(&chain(&error)) }
}

#[cfg(test)]
mod tests {
    use vault::{S3Options, StoreErrorKind, open_store};

    use super::*;

    #[tokio::test]
    async fn store_that_fails_while_a_copy_is_verified_is_no_damaged_copy() {
        let wrong = |what: &str| Fault::Rejected(what.to_owned());
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "flipped");
        assert!(matches!(unreadable(damaged, wrong), Fault::Rejected(_)));
        for (kind, is_waited_for) in [(StoreErrorKind::Unavailable, false), (StoreErrorKind::Unsupported, true)] {
            let mut failed = open_store("no store", S3Options::default()).await.unwrap_err();
            failed.kind = kind;
            let fault = unreadable(io::Error::other(failed), wrong);
            assert_eq!(matches!(fault, Fault::Unauthorized(_)), is_waited_for, "{fault:?}");
            assert_eq!(matches!(fault, Fault::Transient(_)), !is_waited_for, "{fault:?}");
        }
    }
}
