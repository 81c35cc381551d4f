//! What Twilio lists: queued and made known, where the catalog lacks it or knows less of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalog::Policy;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use queue::Job;
use twilio::{Recording, RecordingStatus};

use crate::fault::Fault;
use crate::reconcile::{ReconcileReport, Reconciler};

/// What was heard of so long after it began is old, whoever found it: Twilio's longest recording lasts a day.
const OLD_AFTER: TimeDelta = TimeDelta::days(2);
/// Published and made known at once.
const TAKEN_AT_ONCE: usize = 16;

/// Whether a recording that was first heard of at `heard_at` goes where a backfill goes.
pub(crate) fn is_old(started_at: Option<DateTime<Utc>>, heard_at: DateTime<Utc>) -> bool {
    started_at.is_some_and(|started_at| heard_at - started_at > OLD_AFTER)
}

/// Whether Twilio is done with it: media, or none for good.
pub(crate) fn is_final(status: &RecordingStatus) -> bool {
    matches!(status, RecordingStatus::Completed | RecordingStatus::Absent | RecordingStatus::Failed)
}

/// Whether what Twilio lists would be deleted as soon as it is archived. A recording that began at no known time is not.
pub(crate) fn is_past_retention(policy: &Policy, recording: &Recording, now: DateTime<Utc>) -> bool {
    let kept = TimeDelta::days(i64::from(policy.retention_days));
    recording.started_at.is_some_and(|started_at| started_at + kept <= now)
}

impl Reconciler {
    /// What the catalog lacks of a page, or knows less of.
    pub(crate) async fn news(
        &self,
        page: Vec<Recording>,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<Vec<Recording>, Fault> {
        let sids: Vec<_> = page.iter().map(|recording| recording.recording_sid.clone()).collect();
        let known = self.catalog.known(&sids).await?;
        report.listed += page.len() as u64;
        let mut news = Vec::new();
        for recording in page {
            let row = known.get(&recording.recording_sid);
            if row.is_some_and(|row| !row.is_moved_by(&recording.status)) {
                continue;
            }
            if !is_final(&recording.status) {
                let is_unfinished = row.is_none() && recording.status != RecordingStatus::Deleted;
                report.unfinished += u64::from(is_unfinished);
                continue;
            }
            if row.is_some() {
                report.moved += 1;
            } else {
                report.missing += 1;
                report.past_retention += u64::from(is_past_retention(&self.policy, &recording, now));
            }
            news.push(recording);
        }
        Ok(news)
    }

    /// Queues and makes known; all of it into the backfill lane where it `is_backfill`. Queued first: of one that is known
    /// and not queued a later pass would think that it is under way. Once known, a backlog is not queued once more by every
    /// pass; so where one fails, no further ones are begun, and those that were are made known.
    pub(crate) async fn take_in(
        &self,
        news: Vec<Recording>,
        is_backfill: bool,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        if self.mode.is_dry_run() {
            return Ok(());
        }
        let (queue, catalog, has_failed) = (&self.queue, &self.catalog, &AtomicBool::new(false));
        let taken = stream::iter(news).map(|recording| async move {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(0);
            }
            let is_backfill = is_backfill || is_old(recording.started_at, now);
            let job = Job::ArchiveV1 { recording: recording.clone(), received_at: now, is_backfill };
            let queued = queue.publish(&job, Duration::ZERO).await;
            has_failed.fetch_or(queued.is_err(), Ordering::Relaxed);
            queued?;
            catalog.hear(&recording, now).await?;
            Ok::<_, Fault>(1)
        });
        let taken: Vec<_> = taken.buffer_unordered(TAKEN_AT_ONCE).collect().await;
        taken.into_iter().try_for_each(|taken| taken.map(|count| report.published += count))
    }
}
