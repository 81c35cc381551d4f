//! What Twilio lists: queued and made known, where the catalog lacks it or knows less of it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use queue::Job;
use twilio::{Recording, RecordingStatus};

use crate::fault::Fault;
use crate::reconcile::{ReconcileReport, Reconciler};

/// What was heard of so long after it began is old, whoever found it: Twilio's longest recording lasts a day.
const OLD_AFTER: TimeDelta = TimeDelta::days(2);
/// Messages that wait for their confirm at once, so that they share its price.
const PUBLISHED_AT_ONCE: usize = 64;
const HEARD_AT_ONCE: usize = 8;

/// Whether a recording that was first heard of at `heard_at` goes where a backfill goes.
pub(crate) fn is_old(started_at: Option<DateTime<Utc>>, heard_at: DateTime<Utc>) -> bool {
    started_at.is_some_and(|started_at| heard_at - started_at > OLD_AFTER)
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
            news.push(recording);
        }
        Ok(news)
    }

    /// Queues and makes known; all of it into the backfill lane where it `is_backfill`. Queued first: of one that is known and not queued a later pass would think that it is under way. Once known, a
    /// backlog is not queued once more by every pass.
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
        report.published += news.len() as u64;
        let queue = &self.queue;
        let published = stream::iter(news.clone()).map(|recording| async move {
            let is_backfill = is_backfill || is_old(recording.started_at, now);
            queue.publish(&Job::ArchiveV1 { recording, received_at: now, is_backfill }, Duration::ZERO).await
        });
        published.buffer_unordered(PUBLISHED_AT_ONCE).try_collect::<()>().await?;
        let catalog = &self.catalog;
        let heard = stream::iter(news).map(|recording| async move { catalog.hear(&recording, now).await.map(|_| ()) });
        heard.buffer_unordered(HEARD_AT_ONCE).try_collect::<()>().await?;
        Ok(())
    }

    fn is_past_retention(&self, recording: &Recording, now: DateTime<Utc>) -> bool {
        let kept = TimeDelta::days(i64::from(self.policy.retention_days));
        recording.started_at.is_some_and(|started_at| started_at + kept <= now)
    }
}
