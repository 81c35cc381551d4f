//! Archiving once more what turned out broken in the vault, while Twilio still has it.

use std::time::Duration;

use catalog::{Catalog, CatalogError, RecordingRow, Work};
use queue::{Clock, Job, Queue};
use tokio_util::sync::CancellationToken;
use twilio::{Client, Recording, RecordingStatus, TwilioErrorKind};

use crate::claimed::{Claims, Held};
use crate::fault::Fault;

/// What it needs to set a recording back and to queue its archive.
pub(crate) struct ArchiveAgain<'a> {
    pub(crate) queue: &'a dyn Queue,
    pub(crate) catalog: &'a Catalog,
    pub(crate) twilio: &'a Client,
    pub(crate) clock: &'a Clock,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It is `received` again, and its archive is queued.
    Queued,
    /// Nothing was changed, and why: Twilio does not have it, or the catalog does not allow it as it stands.
    Refused(String),
}

impl ArchiveAgain<'_> {
    /// Sets the stored media of `row`, which was looked at as it is there, back, in the name of `actor` for `why`, and
    /// queues its archive; only where Twilio says at this moment that it has the media. Written down first: a lost job
    /// is found again by reconcile.
    ///
    /// Somebody at work on the archive is [`Fault::Busy`].
    pub(crate) async fn run(&self, row: &RecordingRow, actor: &str, why: &str) -> Result<Again, Fault> {
        let recording = match at_twilio(self.twilio, row).await? {
            AtTwilio::Has(recording) => recording,
            AtTwilio::HasNot(said) => return Ok(Again::Refused(said)),
        };
        if let Some(refusal) = self.set_back(row, actor, why).await? {
            return Ok(Again::Refused(refusal));
        }
        let job = Job::ArchiveV1 { recording: *recording, received_at: row.received_at, is_backfill: false };
        self.queue.publish(&job, Duration::ZERO).await?;
        Ok(Again::Queued)
    }

    /// Why it may not be; `None` where it is.
    async fn set_back(&self, row: &RecordingRow, actor: &str, why: &str) -> Result<Option<String>, Fault> {
        let Some(broken) = row.stored_media() else { return Ok(Some("nothing of it is stored".to_owned())) };
        let lease = self.queue.lease();
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease };
        let mut refusal = None;
        let set_back = async |held: Held| {
            let now = self.clock.now();
            match self.catalog.set_media_back(&held.claim, broken, actor, why, now).await {
                Err(CatalogError::Refused(refused)) => {
                    refusal = Some(refused.to_string());
                    Ok("refused")
                }
                done => done.map(|()| "set back").map_err(Fault::from),
            }
        };
        claims.with(&row.recording_sid, Work::Archive, &CancellationToken::new(), set_back).await?;
        Ok(refusal)
    }
}

/// Whether Twilio can serve a recording's media.
pub(crate) enum AtTwilio {
    /// What it says of it.
    Has(Box<Recording>),
    /// Why not.
    HasNot(String),
}

/// Asks Twilio for the recording's own resource.
pub(crate) async fn at_twilio(twilio: &Client, row: &RecordingRow) -> Result<AtTwilio, Fault> {
    match twilio.recording(&row.account_sid, &row.recording_sid).await {
        Ok(recording) if recording.status == RecordingStatus::Completed => Ok(AtTwilio::Has(Box::new(recording))),
        Ok(recording) => Ok(AtTwilio::HasNot(format!("Twilio says: {}", recording.status))),
        Err(error) if error.kind == TwilioErrorKind::NotFound => {
            Ok(AtTwilio::HasNot("Twilio knows no such recording".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}
