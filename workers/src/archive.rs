//! Archive: Twilio's media, byte for byte, sealed into the vault, and the catalog's row that says so.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, CatalogError, Claim, RecordingRow, Status, StoredMedia, TranscriptState, Work};
use chrono::{DateTime, Utc};
use queue::{Clock, Job, Queue};
use tokio_util::sync::CancellationToken;
use twilio::{MediaFormat, Recording, RecordingStatus, TwilioError, TwilioErrorKind};
use vault::{ObjectKey, Vault};

use crate::budget::MemoryBudget;
use crate::claimed::{Claims, Held};
use crate::fault::{Fault, Handled};
use crate::media_check::MediaCheck;
use crate::observe::name_call;
use crate::stray::remove_stray;

/// How long Twilio is given to have the media ready, from when the recording was first heard of.
const READINESS_PATIENCE: Duration = Duration::from_secs(24 * 3600);
const READINESS_PAUSE_FIRST: Duration = Duration::from_secs(1);
const READINESS_PAUSE_MOST: Duration = Duration::from_secs(600);
/// The transcript that every recording gets by itself; further ones are asked for.
const FIRST_VERSION: u32 = 1;

/// The archive stage.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Where the next job is published.
    pub queue: Arc<dyn Queue>,
    /// The truth about each recording.
    pub catalog: Catalog,
    /// Where media goes.
    pub vault: Vault,
    /// Where media comes from.
    pub twilio: twilio::Client,
    /// The one clock.
    pub clock: Clock,
    /// The format asked of Twilio; what Twilio encrypted itself comes as WAV only (error 16109).
    pub format: MediaFormat,
    /// The bound on media in memory.
    pub budget: MemoryBudget,
    /// Whether archived media is to be transcribed.
    pub transcribes: bool,
    /// Whether Twilio's copy goes as soon as ours is verified.
    pub purges_at_once: bool,
    /// Whether what it archives is of a backfill, and so its next jobs.
    pub is_backfill: bool,
}

impl Archive {
    /// The same for old recordings: what is asked of Twilio leaves new ones a place.
    pub(crate) fn of_backfill(&self) -> Archive {
        Archive { is_backfill: true, twilio: self.twilio.yielding(), ..self.clone() }
    }

    /// Archives `recording` unless that is done. Safe to run any number of times, at once too: one claim, one object
    /// key, and a row that only moves forward.
    pub async fn handle(&self, recording: &Recording, received_at: DateTime<Utc>, stop: &CancellationToken) -> Handled {
        let mut row = self.catalog.hear(recording, received_at).await?.row;
        name_call(&row);
        if is_unclear(&row) {
            row = self.ask_twilio(&row).await?.0;
        }
        if let Some(nothing_to_do) = self.settled(&row).await? {
            return Ok(nothing_to_do);
        }
        self.claims().with(&row.recording_sid, Work::Archive, stop, |held| self.archive(held)).await
    }

    /// What was done before, where nothing remains but to hand on. `None` when there is media to fetch.
    async fn settled(&self, row: &RecordingRow) -> Result<Option<&'static str>, Fault> {
        let twilio_status = RecordingStatus::from(row.twilio_status.as_str());
        Ok(match (row.status, twilio_status) {
            (Status::Deleted, _) => {
                self.remove_strays(row).await?;
                Some("already deleted")
            }
            _ if row.is_marked => {
                self.remove_strays(row).await?;
                Some("already marked for deletion")
            }
            _ if row.has_lost(Work::Archive) => {
                self.remove_strays(row).await?;
                Some("already archived")
            }
            _ if row.is_archived() => {
                self.hand_on(row).await?;
                Some("already archived")
            }
            (_, RecordingStatus::Absent) => Some("absent at Twilio"),
            (_, RecordingStatus::Failed) => Some("failed at Twilio"),
            (_, RecordingStatus::InProgress | RecordingStatus::Paused) => Some("noted: still recording"),
            _ => None,
        })
    }

    async fn archive(&self, held: Held) -> Handled {
        // Another worker may have finished between the first look and the claim, or Twilio have said more.
        let row = held.claim.row().clone();
        if let Some(done) = self.settled(&row).await? {
            return Ok(done);
        }
        let _memory = self.budget.hold_stream().await;
        let is_encrypted = row.encryption.is_some();
        let format = if is_encrypted { MediaFormat::Wav } else { self.format };
        let channels = row.channels.filter(|channels| *channels > 1);
        let media = match self.twilio.media(&row.account_sid, &row.recording_sid, format, channels).await {
            Ok(media) => media,
            Err(error) if error.kind == TwilioErrorKind::NotFound => return self.why_no_media(&row, error).await,
            Err(error) => return Err(error.into()),
        };
        let (check, body) = MediaCheck::start(media.body, format, is_encrypted, media.content_length).await?;
        // An earlier attempt came as far as the vault and no further: this one goes the way that can try again by itself.
        let told = media.content_length.filter(|_| row.media.is_none());
        let key = object_key(&row, format);
        self.catalog.stage_media(&held.claim, key.as_str(), format, self.clock.now()).await?;
        let sealed = match self.vault.seal(&key, held.fenced(body), told).await {
            Ok(sealed) => sealed,
            Err(error) => return Err(check.fault().or_else(|| held.fault()).unwrap_or_else(|| error.into())),
        };
        self.commit(&row, &held.claim, &check.stored(&row, &sealed)).await?;
        self.hand_on(&row).await?;
        Ok("archived")
    }

    /// Writes down what was stored. Where that fails because the row was deleted meanwhile, the object just written goes
    /// again; where the catalog can't be asked, the redelivery sees to it.
    async fn commit(&self, row: &RecordingRow, claim: &Claim, media: &StoredMedia) -> Result<(), Fault> {
        let now = self.clock.now();
        if let Err(error) = self.catalog.store_media(claim, media, now).await {
            self.remove_strays(row).await?;
            return Err(match error {
                CatalogError::ClaimLost => Fault::Busy,
                error => error.into(),
            });
        }
        metrics::counter!("callvault_media_bytes_total", "direction" => "archived").increment(media.bytes);
        // An old recording's waiting is no delay of anybody's call.
        if !self.is_backfill {
            let since_callback = (now - row.received_at).to_std().unwrap_or_default();
            metrics::histogram!("callvault_callback_to_archived_seconds").record(since_callback);
        }
        Ok(())
    }

    /// Deletes what this or an earlier attempt put in the vault after a purge had deleted it: a put may land whose worker
    /// lost its claim, or died, before it could look. A tombstone no longer tells which format was asked for.
    async fn remove_strays(&self, row: &RecordingRow) -> Result<(), Fault> {
        let other = Some(MediaFormat::Wav).filter(|wav| *wav != self.format);
        for format in [self.format].into_iter().chain(other) {
            let key = object_key(row, format);
            let object = (&row.recording_sid, Work::Archive, &key);
            remove_stray(&self.catalog, self.vault.store().as_ref(), &self.clock, object).await?;
        }
        Ok(())
    }

    /// The next jobs of archived media. Published again when the archive is asked for again: the stages know what is
    /// done, and a crash between commit and publish must not end the recording's way.
    async fn hand_on(&self, row: &RecordingRow) -> Result<(), Fault> {
        let (account_sid, recording_sid) = (row.account_sid.clone(), row.recording_sid.clone());
        if self.transcribes && row.encryption.is_none() && !self.is_transcribed_or_given_up(row).await? {
            let job = Job::TranscribeV1 {
                account_sid: account_sid.clone(),
                recording_sid: recording_sid.clone(),
                version: FIRST_VERSION,
                is_backfill: self.is_backfill,
            };
            self.queue.publish(&job, Duration::ZERO).await?;
        }
        if self.purges_at_once && row.twilio_deleted_at.is_none() {
            self.queue.publish(&Job::PurgeV1 { account_sid, recording_sid }, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Whether its transcription needs no job. One that was given up has its dead letter, and waits for an operator: a
    /// late duplicate of the callback must neither ask the transcriber again nor leave a second dead letter.
    async fn is_transcribed_or_given_up(&self, row: &RecordingRow) -> Result<bool, Fault> {
        match row.status {
            Status::Transcribed => Ok(true),
            Status::Failed => {
                let begun = self.catalog.transcript(&row.recording_sid, FIRST_VERSION).await?;
                Ok(begun.is_some_and(|transcript| transcript.state != TranscriptState::Stored))
            }
            _ => Ok(false),
        }
    }

    /// A 404 for media means not ready, deleted, or kept elsewhere; only the recording's own resource tells which. What
    /// it says now decides, whatever Twilio said before.
    async fn why_no_media(&self, row: &RecordingRow, not_found: TwilioError) -> Handled {
        let (row, said) = match self.ask_twilio(row).await {
            Ok(asked) => asked,
            // The resource may be as late as its media.
            Err(Fault::Rejected(_)) => return Err(self.not_ready(row, "Twilio knows no such recording")),
            Err(fault) => return Err(fault),
        };
        if let Some(settled) = self.settled(&row).await? {
            return Ok(settled);
        }
        match said {
            RecordingStatus::Deleted => {
                Err(Fault::Rejected("deleted at Twilio by someone else before it could be archived".to_owned()))
            }
            RecordingStatus::Absent | RecordingStatus::Failed => {
                Err(Fault::Rejected(format!("Twilio said {} and now says {said}: it has no media", row.twilio_status)))
            }
            said => Err(self.not_ready(&row, &format!("Twilio says {said} and serves no media yet ({not_found})"))),
        }
    }

    /// Waits, at first for a second, then for about half as long again as it has been known, up to a day.
    fn not_ready(&self, row: &RecordingRow, why: &str) -> Fault {
        let known_for = (self.clock.now() - row.received_at).to_std().unwrap_or_default();
        if known_for > READINESS_PATIENCE {
            return Fault::Rejected(format!("no media after a day: {why}"));
        }
        Fault::NotYet { after: (known_for / 2).clamp(READINESS_PAUSE_FIRST, READINESS_PAUSE_MOST), why: why.to_owned() }
    }

    /// The row with all that Twilio says of the recording now, and the status it says.
    async fn ask_twilio(&self, row: &RecordingRow) -> Result<(RecordingRow, RecordingStatus), Fault> {
        match self.twilio.recording(&row.account_sid, &row.recording_sid).await {
            Ok(recording) => Ok((self.catalog.hear(&recording, row.received_at).await?.row, recording.status)),
            Err(error) if error.kind == TwilioErrorKind::NotFound && is_unclear(row) => {
                Err(self.not_ready(row, "Twilio knows no such recording"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn claims(&self) -> Claims {
        Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.queue.lease() }
    }
}

/// Whether Twilio has to be asked before its media is fetched. A call-progress callback names a recording and says little
/// of it; one whose `completed` was missed may be encrypted, or have nothing. That it is still being recorded was said
/// just now.
fn is_unclear(row: &RecordingRow) -> bool {
    let word = RecordingStatus::from(row.twilio_status.as_str());
    let is_told = matches!(word, RecordingStatus::Completed | RecordingStatus::InProgress | RecordingStatus::Paused);
    row.status == Status::Received && (row.started_at.is_none() || !is_told)
}

fn object_key(row: &RecordingRow, format: MediaFormat) -> ObjectKey {
    let started = row.started_at.unwrap_or(row.received_at).date_naive();
    ObjectKey::recording(&row.account_sid, &row.recording_sid, started, format.extension())
}

#[cfg(test)]
mod tests;
