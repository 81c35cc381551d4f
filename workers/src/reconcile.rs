//! Reconcile: what Twilio lists and the catalog lacks, and what the catalog shows stuck, is queued again.
//!
//! It needs nothing that a callback or the queue would have brought: with every callback lost and the queue wiped, it
//! finds all the work there is. SIP trunk recordings, which have no callback at all, come in this way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Expects, Pass, Policy, Stuck, StuckWork, Sweep};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt;
use queue::{Job, Queue};
use serde::Serialize;
use twilio::{AccountSid, Recording, RecordingStatus};

use crate::again::{AGAIN_AFTER, SweepMode};
use crate::fault::Fault;

const PAGE: usize = 500;
/// What was queued and is stuck still is queued again after so many times the patience with it, [`AGAIN_AFTER`] at most.
const AGAIN_AFTER_PATIENCES: u32 = 10;

/// The days of Twilio's list to read, both inclusive, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileWindow {
    /// First day; `None` for [`Reconciler::lookback`] before the last complete pass over the account's list began, so
    /// that an outage of any length leaves no gap.
    pub since: Option<NaiveDate>,
    /// Last day; `None` for up to now.
    pub until: Option<NaiveDate>,
}

/// What a pass found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// Recordings Twilio listed.
    pub listed: u64,
    /// Of those, the ones still being recorded or processed: a later pass takes them.
    pub unfinished: u64,
    /// Of those, the ones the catalog lacked.
    pub missing: u64,
    /// Of the missing, the ones already past their retention date: they are archived, and the next sweep deletes them.
    pub past_retention: u64,
    /// Of the known ones, those not archived of which Twilio says something newer than was heard.
    pub moved: u64,
    /// Recordings of the catalog that nothing had moved for a while.
    pub stuck: u64,
    /// Jobs published; 0 in a dry run.
    pub published: u64,
}

/// One pass over Twilio's list and the catalog.
#[derive(Debug, Clone)]
pub struct Reconciler {
    /// Where jobs are published.
    pub queue: Arc<dyn Queue>,
    /// What we know.
    pub catalog: Catalog,
    /// What Twilio knows.
    pub twilio: twilio::Client,
    /// The accounts to list.
    pub accounts: Vec<AccountSid>,
    /// To tell what is already past its date.
    pub policy: Policy,
    /// How far back to read what may have changed since it was listed.
    pub lookback: TimeDelta,
    /// Which steps a recording is expected to take.
    pub expects: Expects,
    /// Without movement for this long, unfinished work counts as stuck.
    pub stuck_after: Duration,
    /// What to do with what is found.
    pub mode: SweepMode,
}

impl Reconciler {
    /// Reads `window` of each account's list, then the catalog. Idempotent: a job published twice does nothing twice.
    /// An account that fails keeps neither the others nor the catalog from their turn.
    ///
    /// # Errors
    /// The first thing that failed, once all else is done; what was published stands, and the next pass begins anew.
    pub async fn run(&self, window: ReconcileWindow, now: DateTime<Utc>) -> Result<ReconcileReport, Fault> {
        let mut report = ReconcileReport::default();
        let began = Instant::now();
        let mut done = Ok(());
        for account in &self.accounts {
            let listed = self.take_listed(account, window, now, &mut report).await;
            if let Err(error) = &listed {
                tracing::warn!(account.sid = account.as_str(), %error, "an account's list was not read to its end");
            }
            done = done.and(listed);
        }
        done.and(self.take_stuck(now, began, &mut report).await).map(|()| report)
    }

    /// One account's list, to its end or to the page that fails.
    async fn take_listed(
        &self,
        account: &AccountSid,
        window: ReconcileWindow,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let since = self.since(account, window, now).await?;
        let mut listed = self.twilio.recordings(account, Some(since), window.until).try_chunks(PAGE);
        loop {
            match listed.try_next().await {
                Ok(Some(page)) => self.take_missing(page, now, report).await?,
                Ok(None) => return self.complete(account, window, now).await,
                Err(broken) => {
                    self.take_missing(broken.0, now, report).await?;
                    return Err(broken.1.into());
                }
            }
        }
    }

    async fn since(
        &self,
        account: &AccountSid,
        window: ReconcileWindow,
        now: DateTime<Utc>,
    ) -> Result<NaiveDate, Fault> {
        if let Some(since) = window.since {
            return Ok(since);
        }
        let last = self.catalog.last_pass(&Pass::Listing(account.clone())).await?;
        Ok((last.map_or(now, |last| last.min(now)) - self.lookback).date_naive())
    }

    /// Only a pass that left no gap behind it is one that the next may begin from.
    async fn complete(&self, account: &AccountSid, window: ReconcileWindow, now: DateTime<Utc>) -> Result<(), Fault> {
        if window.since.is_none() && window.until.is_none() && !self.mode.is_dry_run() {
            self.catalog.complete_pass(&Pass::Listing(account.clone()), now).await?;
        }
        Ok(())
    }

    async fn take_missing(
        &self,
        page: Vec<Recording>,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let sids: Vec<_> = page.iter().map(|recording| recording.recording_sid.clone()).collect();
        let known = self.catalog.known(&sids).await?;
        report.listed += page.len() as u64;
        for recording in page {
            let row = known.get(&recording.recording_sid);
            if row.is_some_and(|row| !row.is_moved_by(&recording.status)) {
                continue;
            }
            let is_final = matches!(
                recording.status,
                RecordingStatus::Completed | RecordingStatus::Absent | RecordingStatus::Failed
            );
            if !is_final {
                let is_unfinished = row.is_none() && recording.status != RecordingStatus::Deleted;
                report.unfinished += u64::from(is_unfinished);
                continue;
            }
            if row.is_some() {
                report.moved += 1;
            } else {
                report.missing += 1;
                report.past_retention += u64::from(self.is_past_retention(&recording, now));
            }
            self.take_in(recording, now, report).await?;
        }
        Ok(())
    }

    /// Queued first: of one that is known and not queued a later pass would think that it is under way. Once known, a
    /// backlog is not queued once more by every pass.
    async fn take_in(
        &self,
        recording: Recording,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        self.publish(Job::ArchiveV1 { recording: recording.clone(), received_at: now }, report).await?;
        if !self.mode.is_dry_run() {
            self.catalog.hear(&recording, now).await?;
        }
        Ok(())
    }

    fn is_past_retention(&self, recording: &Recording, now: DateTime<Utc>) -> bool {
        let kept = TimeDelta::days(i64::from(self.policy.retention_days));
        recording.started_at.is_some_and(|started_at| started_at + kept <= now)
    }

    async fn take_stuck(&self, now: DateTime<Utc>, began: Instant, report: &mut ReconcileReport) -> Result<(), Fault> {
        let before = now - TimeDelta::from_std(self.stuck_after).unwrap_or(TimeDelta::zero());
        let interval = self.stuck_after.saturating_mul(AGAIN_AFTER_PATIENCES).min(AGAIN_AFTER);
        let again_before = self.mode.again_before(now, interval);
        let mut last = None;
        loop {
            let page = if self.mode.is_dry_run() {
                self.catalog.stuck(self.expects, before, last.as_ref(), PAGE as u32).await?
            } else {
                let sweep = Sweep { began_at: now, now: now + began.elapsed(), again_before };
                self.catalog.take_stuck(self.expects, before, sweep, last.as_ref(), PAGE as u32).await?
            };
            let Some(newest) = page.last() else { return Ok(()) };
            last = Some(newest.row.recording_sid.clone());
            for stuck in page {
                report.stuck += 1;
                self.publish(job(stuck), report).await?;
            }
        }
    }

    async fn publish(&self, job: Job, report: &mut ReconcileReport) -> Result<(), Fault> {
        if !self.mode.is_dry_run() {
            self.queue.publish(&job, Duration::ZERO).await?;
            report.published += 1;
        }
        Ok(())
    }
}

/// The job that takes the step.
pub(crate) fn job(stuck: Stuck) -> Job {
    let (account_sid, recording_sid) = (stuck.row.account_sid.clone(), stuck.row.recording_sid.clone());
    match stuck.missing {
        StuckWork::Archive => {
            // Asked anew: a row that waits for `completed` may have missed it, and Twilio's word is fresher than ours.
            let received_at = stuck.row.received_at;
            let recording = Recording { status: RecordingStatus::Processing, ..stuck.row.twilio_recording() };
            Job::ArchiveV1 { recording, received_at }
        }
        StuckWork::Transcribe { version } => Job::TranscribeV1 { account_sid, recording_sid, version },
        StuckWork::Deliver { version } => Job::DeliverV1 { account_sid, recording_sid, version },
        StuckWork::Purge => Job::PurgeV1 { account_sid, recording_sid },
    }
}

#[cfg(test)]
mod tests;
