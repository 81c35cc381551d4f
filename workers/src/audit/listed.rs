//! The look at what Twilio lists: that the catalog knows it, and that what is deleted is gone.

use std::time::Duration;

use catalog::{RecordingRow, Status};
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use queue::Job;
use twilio::{Recording, RecordingStatus};

use super::finding::{Exception, Finding, Heal};
use super::late::is_unfinished;
use super::{PAGE, Run, progress};
use crate::archive_again::{AtTwilio, at_twilio};
use crate::fault::Fault;
use crate::listed::{is_final, is_old, is_past_retention};

/// What heals that a repair does not take it in.
const PAST_RETENTION: &str = "not taken in by --repair, as it is past RETENTION_DAYS and would be deleted, at Twilio \
                              too: `callvault reconcile --since`, after raising RETENTION_DAYS where it is to be kept";

impl Run<'_> {
    pub(super) async fn look_at_twilio(&mut self) -> Result<(), Fault> {
        let audit = self.audit;
        for account in &audit.accounts {
            let mut listed = audit.twilio.recordings(account, audit.window.since, audit.window.until).try_chunks(PAGE);
            while let Some(page) = listed.try_next().await.map_err(|broken| Fault::from(broken.1))? {
                let more = page.len() as u64;
                self.summary.listed += more;
                self.look_at_listed(page).await?;
                progress("recordings of Twilio's list looked at", self.summary.listed, more);
            }
        }
        Ok(())
    }

    async fn look_at_listed(&mut self, page: Vec<Recording>) -> Result<(), Fault> {
        let sids: Vec<_> = page.iter().map(|recording| recording.recording_sid.clone()).collect();
        let known = self.audit.catalog.known(&sids).await?;
        let now = self.audit.clock.now();
        for recording in page {
            match known.get(&recording.recording_sid) {
                _ if is_unfinished(&recording.status) => self.summary.unfinished += 1,
                Some(row) => self.look_at_known(row, recording, now).await?,
                None if !is_final(&recording.status) => self.summary.unfinished += 1,
                None if is_young(&recording, self.audit.stuck_after, now) => self.summary.unfinished += 1,
                None => self.missing(recording, now).await?,
            }
        }
        Ok(())
    }

    async fn missing(&mut self, recording: Recording, now: DateTime<Utc>) -> Result<(), Fault> {
        self.summary.recordings += 1;
        let what = format!("Twilio lists it as {}, and the catalog does not know it", recording.status);
        let sid = recording.recording_sid.clone();
        let is_backfill = is_old(recording.started_at, now);
        let is_past = is_past_retention(&self.audit.policy, &recording, now);
        let job = Job::ArchiveV1 { recording, received_at: now, is_backfill };
        let heal = take_in(job, is_past, "its archive, which `callvault reconcile --since` queues");
        self.found(Finding::new(Exception::UnknownToCatalog, Some(&sid), what, heal)).await
    }

    async fn look_at_known(
        &mut self,
        row: &RecordingRow,
        recording: Recording,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let sid = &row.recording_sid;
        if row.twilio_deleted_at.is_some() && recording.status == RecordingStatus::Completed {
            // The page may be older than the deletion.
            if matches!(at_twilio(&self.audit.twilio, row).await?, AtTwilio::Has(_)) {
                let what = "the catalog says that Twilio's copy is deleted, and Twilio has it";
                let heals =
                    "deleting it at Twilio by hand; see that TWILIO_API_URL was that of its region all the time";
                let finding = Finding::new(Exception::StillAtTwilio, Some(sid), what, (Heal::None, heals));
                return self.found(finding).await;
            }
        }
        // What was received and has not moved is stuck, and told as that.
        let has_ended = matches!(row.status, Status::Absent | Status::Failed);
        let is_late = !is_young(&recording, self.audit.stuck_after, now);
        if has_ended && is_late && row.is_moved_by(&recording.status) && is_final(&recording.status) {
            let what = format!("it is {} here, and Twilio says {}", row.status, recording.status);
            let is_past = !row.is_held && is_past_retention(&self.audit.policy, &recording, now);
            let job = Job::ArchiveV1 { recording, received_at: row.received_at, is_backfill: false };
            let heal = take_in(job, is_past, "its archive, which `callvault reconcile --since` queues");
            return self.found(Finding::new(Exception::BehindTwilio, Some(sid), what, heal)).await;
        }
        Ok(())
    }
}

/// What of Twilio's is past its date is left alone: a retention sweep would delete all that a repair takes in, and an
/// account that was never backfilled would lose its past.
pub(super) fn take_in(job: Job, is_past_retention: bool, heals: &'static str) -> (Heal, &'static str) {
    if is_past_retention { (Heal::None, PAST_RETENTION) } else { (Heal::TakeIn(job.into()), heals) }
}

/// It ended so lately that its callback, or the sweep that makes up for it, may be on its way.
fn is_young(recording: &Recording, patience: Duration, now: DateTime<Utc>) -> bool {
    let lasted = TimeDelta::seconds(recording.duration_secs.unwrap_or_default().into());
    let patience = TimeDelta::from_std(patience).unwrap_or(TimeDelta::zero());
    recording.started_at.is_some_and(|started_at| started_at + lasted + patience > now)
}
