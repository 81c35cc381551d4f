//! Reconcile: what Twilio lists and the catalog lacks, and what the catalog shows stuck, is queued again.
//!
//! It needs nothing that a callback or the queue would have brought: with every callback lost and the queue wiped, it
//! finds all the work there is. SIP trunk recordings, which have no callback at all, come in this way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Expects, Policy, Stuck, StuckWork};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt;
use queue::{Job, Queue};
use serde::Serialize;
use twilio::{AccountSid, Recording, RecordingStatus};

use crate::fault::Fault;

const PAGE: usize = 500;

/// The days of Twilio's list to read, both inclusive, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileWindow {
    /// First day; `None` for all there is.
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
    /// Which steps a recording is expected to take.
    pub expects: Expects,
    /// Without movement for this long, unfinished work counts as stuck.
    pub stuck_after: Duration,
    /// Count only.
    pub is_dry_run: bool,
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
        let mut listed = self.twilio.recordings(account, window.since, window.until).try_chunks(PAGE);
        loop {
            match listed.try_next().await {
                Ok(Some(page)) => self.take_missing(page, now, report).await?,
                Ok(None) => return Ok(()),
                Err(broken) => {
                    self.take_missing(broken.0, now, report).await?;
                    return Err(broken.1.into());
                }
            }
        }
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
            if known.contains(&recording.recording_sid) {
                continue;
            }
            let is_final = matches!(
                recording.status,
                RecordingStatus::Completed | RecordingStatus::Absent | RecordingStatus::Failed
            );
            if !is_final {
                report.unfinished += u64::from(recording.status != RecordingStatus::Deleted);
                continue;
            }
            report.missing += 1;
            report.past_retention += u64::from(self.is_past_retention(&recording, now));
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
        if !self.is_dry_run {
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
        let mut last = None;
        loop {
            let page = if self.is_dry_run {
                self.catalog.stuck(self.expects, before, last.as_ref(), PAGE as u32).await?
            } else {
                let taken_at = now + began.elapsed();
                self.catalog.take_stuck(self.expects, before, taken_at, last.as_ref(), PAGE as u32).await?
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
        if !self.is_dry_run {
            self.queue.publish(&job, Duration::ZERO).await?;
            report.published += 1;
        }
        Ok(())
    }
}

fn job(stuck: Stuck) -> Job {
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
mod tests {
    use queue::{Clock, Lane, Options, Stage};
    use simulator::{CallPlan, Simulator, SimulatorConfig};
    use tempfile::TempDir;
    use twilio::{Client, ClientConfig, Credentials};

    use super::*;

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
    /// The simulator refuses it.
    const OTHER_ACCOUNT: &str = "ACffffffffffffffffffffffffffffffff";

    fn start() -> DateTime<Utc> {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn client(api_url: url::Url) -> Client {
        let config = ClientConfig {
            api_url,
            credentials: Credentials { user: ACCOUNT.to_owned(), secret: "token".into() },
            account_credentials: Default::default(),
            max_concurrency: 4,
            requests_per_second: 1000,
            request_timeout: Duration::from_secs(30),
        };
        Client::new(config).unwrap()
    }

    async fn reconciler(folder: &TempDir, simulator: &Simulator) -> Reconciler {
        let url = |file: &str| format!("sqlite:{}", folder.path().join(file).display());
        let options = Options { lease: Duration::from_secs(60), clock: Clock::manual(start()) };
        let catalog = Catalog::connect(&url("catalog.db")).await.unwrap();
        catalog.migrate().await.unwrap();
        Reconciler {
            queue: queue::open(&url("queue.db"), options).await.unwrap(),
            catalog,
            twilio: client(simulator.url()),
            accounts: [OTHER_ACCOUNT, ACCOUNT].map(|sid| sid.parse().unwrap()).into(),
            policy: Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None },
            expects: Expects { transcribe: false, deliver: false },
            stuck_after: Duration::from_secs(900),
            is_dry_run: false,
        }
    }

    #[tokio::test]
    async fn account_that_fails_keeps_neither_the_next_nor_what_is_stuck_from_its_turn() {
        let config = SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            account_sid: ACCOUNT.parse().unwrap(),
            auth_token: "token".into(),
            callback_url: None,
            callback_target: None,
            seed: 7,
        };
        let simulator = Simulator::start(config).await.unwrap();
        simulator.add_recording(CallPlan::nth(0, start()));
        let folder = tempfile::tempdir().unwrap();
        let reconciler = reconciler(&folder, &simulator).await;
        let stuck = simulator.add_recording(CallPlan::nth(1, start()));
        let heard = reconciler.twilio.recording(&stuck.account_sid, &stuck.recording_sid).await.unwrap();
        reconciler.catalog.hear(&heard, start()).await.unwrap();

        let window = ReconcileWindow { since: None, until: None };
        let ended = reconciler.run(window, start() + TimeDelta::hours(1)).await;
        assert!(matches!(ended, Err(Fault::Unauthorized(_))), "{ended:?}");
        let jobs = reconciler.queue.receive(Lane::live(Stage::Archive), 10, Duration::ZERO).await.unwrap();
        assert_eq!(jobs.len(), 2, "the other account's recording and the stuck one");
    }
}
