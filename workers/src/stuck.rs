//! What the catalog shows stuck is queued again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use catalog::{Stuck, StuckWork, Sweep};
use chrono::{DateTime, TimeDelta, Utc};
use queue::{Job, Lane, LaneKind, Stage};
use twilio::{Recording, RecordingStatus};

use crate::again::{AGAIN_AFTER, SweepMode};
use crate::backfill::WAITING_MOST;
use crate::fault::Fault;
use crate::listed::is_old;
use crate::reconcile::{PAGE, ReconcileReport, Reconciler};

/// What was queued and is stuck still is queued again after so many times the patience with it, [`AGAIN_AFTER`] at most.
const AGAIN_AFTER_PATIENCES: u32 = 10;

impl Reconciler {
    pub(crate) async fn take_stuck(
        &self,
        now: DateTime<Utc>,
        began: Instant,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let before = now - TimeDelta::from_std(self.stuck_after).unwrap_or(TimeDelta::zero());
        let interval = self.stuck_after.saturating_mul(AGAIN_AFTER_PATIENCES).min(AGAIN_AFTER);
        let again_before = self.mode.again_before(now, interval);
        let (mut last, mut is_waiting) = (None, HashMap::new());
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
                let job = job(stuck);
                if !self.mode.is_dry_run() && !self.waits(job.lane(), &mut is_waiting).await? {
                    self.queue.publish(&job, Duration::ZERO).await?;
                    report.published += 1;
                }
            }
        }
    }

    /// Whether what is stuck most likely waits in its lane still, as a backfill may for weeks: then it is not queued once
    /// more by each pass. Asked once for each stage.
    async fn waits(&self, lane: Lane, known: &mut HashMap<Stage, bool>) -> Result<bool, Fault> {
        if lane.kind != LaneKind::Backfill || self.mode == SweepMode::Again {
            return Ok(false);
        }
        if let Some(waits) = known.get(&lane.stage) {
            return Ok(*waits);
        }
        let waits = self.queue.depth(lane.stage).await?.backfill >= WAITING_MOST / 4;
        known.insert(lane.stage, waits);
        Ok(waits)
    }
}

/// The job that takes the step.
pub(crate) fn job(stuck: Stuck) -> Job {
    let (account_sid, recording_sid) = (stuck.row.account_sid.clone(), stuck.row.recording_sid.clone());
    let is_backfill = is_old(stuck.row.started_at, stuck.row.received_at);
    match stuck.missing {
        StuckWork::Archive => {
            // Asked anew: a row that waits for `completed` may have missed it, and Twilio's word is fresher than ours.
            let received_at = stuck.row.received_at;
            let recording = Recording { status: RecordingStatus::Processing, ..stuck.row.twilio_recording() };
            Job::ArchiveV1 { recording, received_at, is_backfill }
        }
        StuckWork::Transcribe { version } => Job::TranscribeV1 { account_sid, recording_sid, version, is_backfill },
        StuckWork::Deliver { version } => Job::DeliverV1 { account_sid, recording_sid, version, is_backfill },
        StuckWork::Purge => Job::PurgeV1 { account_sid, recording_sid },
    }
}
