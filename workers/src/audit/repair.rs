//! What is done about what was found. Each thing is written to the audit log before it is done.

use std::time::Duration;

use catalog::{AuditEntry, CatalogError, MediaRow, Work};
use queue::Job;
use tokio_util::sync::CancellationToken;
use twilio::RecordingSid;

use super::Audit;
use super::finding::{Finding, Heal};
use crate::archive_again::{Again, ArchiveAgain};
use crate::claimed::{Claims, Held};
use crate::fault::Fault;
use crate::retention::sweep_unfinished;
use crate::stray::{Stray, remove_stray};

/// What became of a repair.
pub(super) struct Repaired {
    pub(super) what: Option<String>,
    pub(super) is_done: bool,
}

impl Repaired {
    fn done(what: impl Into<String>) -> Self {
        Repaired { what: Some(what.into()), is_done: true }
    }

    fn not_done(why: impl std::fmt::Display) -> Self {
        Repaired { what: Some(format!("not repaired: {why}")), is_done: false }
    }
}

impl Audit {
    /// Does what heals `finding`, as far as anything here does. Safe to repeat.
    ///
    /// What one recording refuses is said with it; only what concerns all of them is an error.
    pub(super) async fn repair(&self, finding: &Finding) -> Result<Repaired, Fault> {
        if finding.heal == Heal::None {
            return Ok(Repaired { what: None, is_done: false });
        }
        self.write_down(finding).await?;
        match self.heal(finding).await {
            // Somebody else is at it: that may be the repair.
            Err(fault @ (Fault::Busy | Fault::NotYet { .. } | Fault::Rejected(_))) => Ok(Repaired::not_done(fault)),
            repaired => repaired,
        }
    }

    async fn heal(&self, finding: &Finding) -> Result<Repaired, Fault> {
        match (&finding.heal, &finding.recording_sid, self.store.as_deref()) {
            (Heal::Queue(job), ..) => self.queue_job(job).await,
            (Heal::TakeIn(job), ..) => self.take_in(job).await,
            (Heal::ArchiveAgain(media), Some(sid), _) => self.archive_again(sid, media, &finding.what).await,
            (Heal::TranscribeAgain { version }, Some(sid), _) => {
                self.transcribe_again(sid, *version, &finding.what).await
            }
            (Heal::RemoveStray(made_by, key), Some(sid), Some(store)) => {
                match remove_stray(&self.catalog, store, &self.clock, (sid, *made_by, key)).await? {
                    Stray::Removed => Ok(Repaired::done("removed")),
                    Stray::None | Stray::Unknown => Ok(Repaired::not_done("it is no stray any more")),
                }
            }
            (Heal::SweepUnfinished, _, Some(store)) => {
                Ok(Repaired::done(format!("{} removed", sweep_unfinished(store).await?)))
            }
            _ => Ok(Repaired::not_done("there is nothing to do it to")),
        }
    }

    async fn write_down(&self, finding: &Finding) -> Result<(), Fault> {
        let entry = AuditEntry {
            actor: self.actor.clone(),
            action: "repair".to_owned(),
            recording_sid: finding.recording_sid.clone(),
            detail: finding.what.clone(),
        };
        Ok(self.catalog.audit(&entry, self.clock.now()).await?)
    }

    async fn queue_job(&self, job: &Job) -> Result<Repaired, Fault> {
        self.queue.publish(job, Duration::ZERO).await?;
        Ok(Repaired::done(format!("queued: {}", job.stage())))
    }

    /// Queued first, as reconcile does: of one that is known and not queued one would think that it is under way.
    async fn take_in(&self, job: &Job) -> Result<Repaired, Fault> {
        let queued = self.queue_job(job).await?;
        if let Job::ArchiveV1 { recording, received_at, .. } = job {
            self.catalog.hear(recording, *received_at).await?;
        }
        Ok(queued)
    }

    async fn archive_again(&self, sid: &RecordingSid, broken: &MediaRow, why: &str) -> Result<Repaired, Fault> {
        let Some(row) = self.catalog.recording(sid).await? else { return Ok(Repaired::not_done("it is unknown")) };
        if row.stored_media() != Some(broken) {
            return Ok(Repaired::not_done("it is not the copy any more that was looked at"));
        }
        let (queue, catalog, twilio, clock) = (self.queue.as_ref(), &self.catalog, &self.twilio, &self.clock);
        match (ArchiveAgain { queue, catalog, twilio, clock }).run(&row, &self.actor, why).await? {
            Again::Queued => Ok(Repaired::done("set back, and queued: archive")),
            Again::Refused(why) => Ok(Repaired::not_done(why)),
        }
    }

    async fn transcribe_again(&self, sid: &RecordingSid, version: u32, why: &str) -> Result<Repaired, Fault> {
        let Some(row) = self.catalog.recording(sid).await? else { return Ok(Repaired::not_done("it is unknown")) };
        let (catalog, clock) = (self.catalog.clone(), self.clock.clone());
        let claims = Claims { catalog, clock, lease: self.queue.lease() };
        let mut replaced = Err("nothing was done".to_owned());
        let replace = async |held: Held| {
            let now = self.clock.now();
            match self.catalog.replace_transcript(&held.claim, version, &self.actor, why, now).await {
                Err(CatalogError::Refused(refused)) => replaced = Err(refused.to_string()),
                next => replaced = Ok(next?),
            }
            Ok("asked")
        };
        claims.with(sid, Work::Transcribe, &CancellationToken::new(), replace).await?;
        let next = match replaced {
            Ok(next) => next,
            Err(why) => return Ok(Repaired::not_done(why)),
        };
        let (account_sid, recording_sid) = (row.account_sid, row.recording_sid);
        self.queue_job(&Job::TranscribeV1 { account_sid, recording_sid, version: next, is_backfill: false }).await
    }
}
