//! What of a row is late. The sweeps' lists say so first; they are read pages ahead, and so each row of which something
//! is wrong is seen once more before that is told.

use std::pin::Pin;

use catalog::{CatalogError, RecordingRow, StuckWork};
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, Peekable, StreamExt, TryStreamExt};
use twilio::{RecordingSid, RecordingStatus, TwilioErrorKind};

use super::finding::Finding;
use super::standing::{Seen, Standing};
use super::{Audit, PAGE};
use crate::fault::Fault;
use crate::stuck::BackfillLanes;

/// Something of many recordings, in the order of their SIDs.
type Sorted<'a, T> = Peekable<BoxStream<'a, Result<(RecordingSid, T), CatalogError>>>;

/// Where a row stands, and what of that is wrong.
pub(super) struct Stood {
    pub(super) seen: Seen,
    pub(super) standing: Standing,
    pub(super) findings: Vec<Finding>,
}

/// What of `sorted` is of this recording, passing over what is of earlier ones.
pub(super) async fn of<T>(sorted: &mut Sorted<'_, T>, sid: &RecordingSid) -> Result<Vec<T>, CatalogError> {
    let is_up_to = |next: &Result<(RecordingSid, T), _>| next.as_ref().map_or(true, |(of, _)| of <= sid);
    let mut found = Vec::new();
    while let Some(next) = Pin::new(&mut *sorted).next_if(is_up_to).await {
        let (of, what) = next?;
        if of == *sid {
            found.push(what);
        }
    }
    Ok(found)
}

impl Audit {
    /// The steps that are lacked, as reconcile would find them.
    pub(super) fn stuck(&self, now: DateTime<Utc>) -> Sorted<'_, StuckWork> {
        let before = self.stuck_before(now);
        let pages = stream::try_unfold(None, move |last: Option<RecordingSid>| async move {
            let page = self.catalog.stuck(self.expects, before, last.as_ref(), PAGE as u32).await?;
            let last = page.last().map(|newest| newest.row.recording_sid.clone());
            let page: Vec<_> = page.into_iter().map(|stuck| Ok((stuck.row.recording_sid, stuck.missing))).collect();
            Ok::<_, CatalogError>(last.map(|last| (stream::iter(page), Some(last))))
        });
        pages.try_flatten().boxed().peekable()
    }

    /// What two retention sweeps had the time to remove.
    pub(super) fn overdue(&self, now: DateTime<Utc>) -> Sorted<'_, ()> {
        let due_by = self.overdue_since(now);
        let pages = stream::try_unfold(None, move |last: Option<RecordingSid>| async move {
            let page = self.catalog.due_for_purge(&self.policy, due_by, last.as_ref(), PAGE as u32).await?;
            let last = page.last().map(|(_, newest)| newest.clone());
            let page: Vec<_> = page.into_iter().map(|(_, sid)| Ok((sid, ()))).collect();
            Ok::<_, CatalogError>(last.map(|last| (stream::iter(page), Some(last))))
        });
        pages.try_flatten().boxed().peekable()
    }

    /// The row as it is now, and what the sweeps would say of it.
    pub(super) async fn see_again(&self, seen: Seen) -> Result<Seen, Fault> {
        let (catalog, now, sid) = (&self.catalog, self.clock.now(), seen.row.recording_sid);
        Ok(Seen {
            row: catalog.recording(&sid).await?.ok_or_else(|| CatalogError::UnknownRecording(sid.clone()))?,
            transcripts: catalog.transcripts_of(std::slice::from_ref(&sid)).await?.remove(&sid).unwrap_or_default(),
            stuck: catalog.stuck_work(self.expects, self.stuck_before(now), &sid).await?,
            is_overdue: catalog.is_due_for_purge(&self.policy, self.overdue_since(now), &sid).await?,
        })
    }

    /// Where it stands by what was seen.
    pub(super) async fn stand(&self, mut seen: Seen, lanes: &BackfillLanes<'_>) -> Result<Stood, Fault> {
        let mut late = Vec::new();
        for missing in std::mem::take(&mut seen.stuck) {
            if !self.is_on_its_way(&seen, missing, lanes).await? {
                late.push(missing);
            }
        }
        seen.stuck = late;
        let (standing, findings) = seen.standing(self.expects);
        Ok(Stood { seen, standing, findings })
    }

    /// Whether what has not moved for long is not late after all: it waits for its turn, or for its call to end.
    async fn is_on_its_way(&self, seen: &Seen, missing: StuckWork, lanes: &BackfillLanes<'_>) -> Result<bool, Fault> {
        let waits = lanes.hold(seen.job(missing).lane()).await?;
        Ok(waits || (missing == StuckWork::Archive && self.is_unfinished_at_twilio(&seen.row).await?))
    }

    /// A call may last longer than anybody's patience; only Twilio knows.
    async fn is_unfinished_at_twilio(&self, row: &RecordingRow) -> Result<bool, Fault> {
        if !is_unfinished(&RecordingStatus::from(row.twilio_status.as_str())) {
            return Ok(false);
        }
        match self.twilio.recording(&row.account_sid, &row.recording_sid).await {
            Ok(recording) => Ok(is_unfinished(&recording.status)),
            Err(error) if error.kind == TwilioErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Twilio is not done with it.
pub(super) fn is_unfinished(status: &RecordingStatus) -> bool {
    use RecordingStatus::{InProgress, Paused, Processing, Stopped};
    matches!(status, InProgress | Paused | Stopped | Processing)
}
