//! Purge: everything a permit names is deleted, each thing is seen to be gone, and only then is it written down.

use std::io;
use std::time::Duration;

use aws_lc_rs::digest;
use catalog::{Catalog, Claim, Policy, PurgeDecision, PurgePermit, StoredObject, Work};
use futures::TryStreamExt;
use queue::Clock;
use tokio_util::sync::CancellationToken;
use twilio::{Deletion, RecordingSid, RecordingStatus, TwilioErrorKind};
use vault::{ObjectKey, Vault, VaultError};

use crate::claimed::Claims;
use crate::fault::{Fault, Handled, chain};

/// Pause where Twilio will not delete yet, or another stage is at work on the recording.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);

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
    /// requests are read from the catalog. Safe to run again: what is gone already counts as deleted.
    pub async fn handle(&self, sid: &RecordingSid, stop: &CancellationToken) -> Handled {
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.lease };
        claims.with(sid, Work::Purge, stop, |claim| self.purge(claim)).await
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
        let mut evidence = Vec::new();
        if let Some(media) = permit.media_to_verify() {
            evidence.push(self.verify(media).await?);
        }
        if permit.deletes_twilio_copy() {
            evidence.push(self.delete_twilio_copy(&permit).await?);
        }
        for object in permit.media().into_iter().chain(permit.transcripts()) {
            self.vault.delete(&key(object)?).await?;
            evidence.push(format!("{} seen to be gone", object.key));
        }
        self.catalog.complete_purge(&claim, permit, &evidence.join("; "), self.clock.now()).await?;
        Ok("purged")
    }

    /// Twilio's copy may go while ours stays only when ours is whole: opened and hashed where a key is at hand, else
    /// there in its full sealed length.
    async fn verify(&self, media: &StoredObject) -> Result<String, Fault> {
        let key = key(media)?;
        let wrong = |what: &str| Fault::Rejected(format!("{key}: {what}; Twilio's copy is kept: archive it again"));
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

    /// Deletes Twilio's copy and sees it gone: a wrong account or region would answer 404 too, so the recording's own
    /// resource is asked, which stays readable as `deleted` for 40 days.
    async fn delete_twilio_copy(&self, permit: &PurgePermit) -> Result<String, Fault> {
        let (account, sid) = (permit.account_sid(), permit.recording_sid());
        let deletion = match self.twilio.delete_recording(account, sid).await {
            Ok(deletion) => deletion,
            Err(error) if error.status == Some(409) || error.code.is_some_and(is_of_its_state) => {
                let why = format!("Twilio will not delete it yet ({error})");
                return Err(Fault::NotYet { after: CONFLICT_PAUSE, why });
            }
            Err(error) => return Err(error.into()),
        };
        match self.twilio.recording(account, sid).await {
            Ok(recording) if recording.status == RecordingStatus::Deleted => Ok("Twilio says: deleted".to_owned()),
            Ok(recording) => {
                let why = format!("Twilio accepted the deletion and still says {}", recording.status);
                Err(Fault::NotYet { after: CONFLICT_PAUSE, why })
            }
            Err(error) if error.kind == TwilioErrorKind::NotFound => Ok(match deletion {
                Deletion::Deleted => "deleted at Twilio, which no longer lists it".to_owned(),
                Deletion::NotFound => "Twilio knows no such recording (404 to delete and to fetch)".to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// 20409, and 20009, "delete before complete": not while it is in that state, whatever HTTP status goes with it.
fn is_of_its_state(code: u32) -> bool {
    matches!(code, 20009 | 20409)
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
