//! The look at the dead letters: that each says why, and is of a recording that is known.

use queue::{DeadLetter, Job, Stage};

use super::Run;
use super::finding::{Exception, Finding, Heal};
use super::listed::take_in;
use crate::fault::Fault;
use crate::listed::is_past_retention;

/// Most dead letters of a stage that are looked at.
const MOST: usize = 10_000;

impl Run<'_> {
    pub(super) async fn look_at_letters(&mut self) -> Result<(), Fault> {
        for stage in Stage::ALL {
            let letters = self.audit.queue.dead_letters(stage, MOST).await?;
            if letters.len() == MOST {
                let why = format!("stage {stage} has {MOST} dead letters or more: redrive them, then audit again");
                return Err(Fault::Rejected(why));
            }
            self.summary.dead_letters += letters.len() as u64;
            self.look_at_stage(stage, letters).await?;
        }
        Ok(())
    }

    async fn look_at_stage(&mut self, stage: Stage, letters: Vec<DeadLetter>) -> Result<(), Fault> {
        let jobs: Vec<_> = letters.iter().map(|letter| Job::decode(&letter.body).ok()).collect();
        let sids: Vec<_> = jobs.iter().flatten().map(|job| job.recording_sid().clone()).collect();
        let known = self.audit.catalog.known(&sids).await?;
        for (letter, job) in letters.iter().zip(jobs) {
            let sid = job.as_ref().map(Job::recording_sid).cloned();
            if letter.reason.trim().is_empty() {
                let what = format!("a dead letter of stage {stage} does not say why");
                let heal = (Heal::None, "callvault queue redrive: what fails again says why");
                self.found(Finding::new(Exception::DeadLetterWithoutReason, sid.as_ref(), what, heal)).await?;
            }
            match job {
                Some(job) if known.contains_key(job.recording_sid()) => {}
                Some(job) => self.unknown_letter(stage, job, letter).await?,
                None => {
                    let what = format!("a dead letter of stage {stage} holds no job that can be read");
                    let heal = (Heal::None, "nothing here: look at it with callvault queue dead");
                    self.found(Finding::new(Exception::UnknownDeadLetter, None, what, heal)).await?;
                }
            }
        }
        Ok(())
    }

    async fn unknown_letter(&mut self, stage: Stage, job: Job, letter: &DeadLetter) -> Result<(), Fault> {
        let sid = job.recording_sid().clone();
        let what = format!("a dead letter of stage {stage}, and the catalog does not know it ({})", letter.reason);
        let heal = match &job {
            Job::ArchiveV1 { recording, .. } => {
                let is_past = is_past_retention(&self.audit.policy, recording, self.audit.clock.now());
                take_in(job, is_past, "its archive, as callvault queue redrive queues it")
            }
            _ => {
                (Heal::None, "nothing here: was the catalog put back from an older backup? callvault reconcile --since")
            }
        };
        self.found(Finding::new(Exception::UnknownDeadLetter, Some(&sid), what, heal)).await
    }
}
