//! Our copy of the media: announced before its bytes are written, and stored once they are verified.

use chrono::{DateTime, Utc};
use twilio::MediaFormat;

use crate::broken::ARCHIVED_AGAIN;
use crate::change::Change;
use crate::claims::Claim;
use crate::columns::to_json;
use crate::connect::Catalog;
use crate::error::{CatalogError, Refusal};
use crate::versions::TranscriptRow;
use crate::words::{MediaState, Status, Work};

/// What was stored, as it was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMedia {
    /// Length of the plain media.
    pub bytes: u64,
    /// SHA-256 of the plain media, lower-case hex.
    pub sha256: String,
    /// Length of the sealed object.
    pub sealed_bytes: u64,
    /// Channels, where the media tells.
    pub channels: Option<u8>,
    /// Seconds, where the media tells.
    pub duration_secs: Option<f64>,
    /// Oddities that somebody may want to look at: `duration_differs`, `twilio_encrypted`…
    pub flags: Vec<String>,
}

impl Catalog {
    /// Announces that media is about to be written at the object key `object`: whatever becomes of the writer, the
    /// object is found and deleted when the recording's time comes. May be repeated, with another key too.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; [`CatalogError::Refused`] where it is marked, deleted or stored already; what the
    /// database said.
    pub async fn stage_media(
        &self,
        claim: &Claim,
        object: &str,
        format: MediaFormat,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Archive).await?;
        change.refuse_if_going()?;
        if change.row.audio_deleted_at.is_some() {
            return Err(Refusal::AudioDeleted.into());
        }
        if change.row.stored_media().is_some() {
            return Err(Refusal::AlreadyStored.into());
        }
        let staged_before = change.row.media.as_ref().map(|media| media.object.clone());
        if let Some(leftover) = staged_before.filter(|before| before != object) {
            change.keep_leftover(leftover, object).await?;
        }
        let update = sqlx::query(
            "UPDATE recordings SET media_state = $1, media_object = $2, media_format = $3, updated_at = $4 \
             WHERE recording_sid = $5",
        )
        .bind(MediaState::Staged.as_str())
        .bind(object)
        .bind(format.to_string())
        .bind(now.timestamp_millis())
        .bind(claim.recording_sid().as_str());
        change.execute(update).await?;
        change.commit().await
    }

    /// Writes down that the staged media is there and verified: the recording is `archived`, and its error is cleared.
    /// One that was set back keeps its flag for that, and is `transcribed` where a transcript was made before. The claim is
    /// given up with it.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`], also where the recording was marked meanwhile: delete what was written, unless the
    /// new holder wrote it. [`CatalogError::Refused`] where nothing was staged. What the database said.
    pub async fn store_media(
        &self,
        claim: &Claim,
        media: &StoredMedia,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Archive).await?;
        if change.row.media.is_none() {
            return Err(Refusal::NoMedia.into());
        }
        let mut flags = media.flags.clone();
        flags.extend(change.row.flags.iter().filter(|flag| *flag == ARCHIVED_AGAIN).cloned());
        let was_transcribed = change.transcripts().await?.iter().any(TranscriptRow::is_readable);
        let status = if was_transcribed { Status::Transcribed } else { Status::Archived };
        // sqlx's Any driver declares a null real narrower than it is (transact-rs/sqlx#4290), and PostgreSQL then
        // refuses the next real in the same statement.
        let millis = media.duration_secs.map(|secs| (secs * 1000.0).round() as i64);
        let update = sqlx::query(
            "UPDATE recordings SET media_state = 'stored', media_bytes = $1, media_sha256 = $2, \
             media_sealed_bytes = $3, media_channels = $4, media_duration_secs = $5 / 1000.0, flags = $6, \
             archived_at = $7, status = $8, error = NULL, updated_at = $7 WHERE recording_sid = $9",
        )
        .bind(media.bytes.cast_signed())
        .bind(media.sha256.as_str())
        .bind(media.sealed_bytes.cast_signed())
        .bind(media.channels.map(i64::from))
        .bind(millis)
        .bind(to_json(&flags)?)
        .bind(now.timestamp_millis())
        .bind(status.as_str())
        .bind(claim.recording_sid().as_str());
        change.execute(update).await?;
        change.commit_the_end(claim, now).await
    }
}

impl Change {
    /// Remembers the key of a staged object that another key takes the place of: there may be bytes behind it.
    pub(crate) async fn keep_leftover(&mut self, leftover: String, successor: &str) -> Result<(), CatalogError> {
        let mut leftovers = self.row.leftovers.clone();
        leftovers.retain(|kept| *kept != successor && *kept != leftover);
        leftovers.push(leftover);
        let update = sqlx::query("UPDATE recordings SET leftover_objects = $1 WHERE recording_sid = $2")
            .bind(to_json(&leftovers)?)
            .bind(self.sid().to_owned());
        self.execute(update).await.map(|_| ())
    }
}
