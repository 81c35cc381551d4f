//! What the catalog shows stuck is queued again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use catalog::{Stuck, StuckWork, Sweep, Taken};
use chrono::{DateTime, TimeDelta, Utc};
use queue::{Job, Lane, LaneKind, Queue, Stage};
use tokio::sync::Mutex;
use twilio::{Recording, RecordingStatus};

use crate::again::{AGAIN_AFTER, SweepMode};
use crate::backfill::WAITING_MOST;
use crate::fault::Fault;
use crate::listed::is_old;
use crate::reconcile::{PAGE, ReconcileReport, Reconciler};

/// What was queued and is stuck still is queued again after so many times the patience with it, [`AGAIN_AFTER`] at
/// most.
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
        let (mut last, lanes) = (None, BackfillLanes::of(self.queue.as_ref()));
        loop {
            let page = if self.mode.is_dry_run() {
                let stuck = self.catalog.stuck(self.expects, before, last.as_ref(), PAGE as u32).await?;
                Taken::of(stuck)
            } else {
                let sweep = Sweep { began_at: now, now: now + began.elapsed(), again_before };
                self.catalog.take_stuck(self.expects, before, sweep, last.as_ref(), PAGE as u32).await?
            };
            let Some(newest) = page.items().last() else { return Ok(()) };
            last = Some(newest.row.recording_sid.clone());
            for stuck in page.items() {
                report.stuck += 1;
                let job = job(stuck.clone());
                // A backlog is not queued once more by each pass.
                let publishes = match self.mode {
                    SweepMode::DryRun => false,
                    SweepMode::Regular => !lanes.hold(job.lane()).await?,
                    SweepMode::Again => true,
                };
                if publishes {
                    self.queue.publish(&job, Duration::ZERO).await?;
                    report.published += 1;
                }
            }
            page.keep().await?;
        }
    }
}

/// Which backfill lanes hold so much that what is stuck most likely waits in its lane still, as it may for weeks: that
/// is neither lost nor late. Each lane is looked at once.
#[derive(Debug)]
pub(crate) struct BackfillLanes<'a> {
    queue: &'a dyn Queue,
    are_long: Mutex<HashMap<Stage, bool>>,
}

impl<'a> BackfillLanes<'a> {
    pub(crate) fn of(queue: &'a dyn Queue) -> Self {
        BackfillLanes { queue, are_long: Mutex::default() }
    }

    /// Whether a job of this lane that is stuck most likely waits there.
    pub(crate) async fn hold(&self, lane: Lane) -> Result<bool, Fault> {
        if lane.kind != LaneKind::Backfill {
            return Ok(false);
        }
        let mut are_long = self.are_long.lock().await;
        if let Some(is_long) = are_long.get(&lane.stage) {
            return Ok(*is_long);
        }
        let is_long = self.queue.depth(lane.stage).await?.backfill >= WAITING_MOST / 4;
        are_long.insert(lane.stage, is_long);
        Ok(is_long)
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
