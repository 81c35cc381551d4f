//! The versions of a recording's transcript. A version is never overwritten by another.

use chrono::{DateTime, Utc};
use twilio::RecordingSid;

use crate::change::Change;
use crate::claims::Claim;
use crate::connect::Catalog;
use crate::error::{CatalogError, Refusal};
use crate::words::{TranscriptState, Work};

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTranscript {
    /// Which version, staged before.
    pub version: u32,
    /// Who made it.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// The language spoken.
    pub language: String,
    /// How many words.
    pub words: u64,
    /// Length of the sealed object.
    pub sealed_bytes: u64,
}

impl Catalog {
    /// Announces that `version` is about to be written at the object key `object`. May be repeated; a version that is
    /// stored stays as it is.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; [`CatalogError::Refused`] where the recording is marked or deleted, or its
    /// transcripts are; what the database said.
    pub async fn stage_transcript(
        &self,
        claim: &Claim,
        version: u32,
        provider: &str,
        object: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Transcribe).await?;
        change.refuse_if_going()?;
        if change.row.transcripts_deleted_at.is_some() {
            return Err(Refusal::TranscriptsDeleted.into());
        }
        let before = change.transcript(version).await?;
        if before.as_ref().is_some_and(|before| before.state == TranscriptState::Stored) {
            return Ok(());
        }
        if let Some(leftover) = before.and_then(|before| before.object).filter(|before| before != object) {
            change.keep_leftover(leftover, object).await?;
        }
        let upsert = sqlx::query(
            "INSERT INTO transcripts (recording_sid, version, state, provider, object, requested_at) \
             VALUES ($1, $2, 'staged', $3, $4, $5) \
             ON CONFLICT (recording_sid, version) DO UPDATE \
             SET state = excluded.state, provider = excluded.provider, object = excluded.object",
        )
        .bind(claim.recording_sid().as_str())
        .bind(i64::from(version))
        .bind(provider)
        .bind(object)
        .bind(now.timestamp_millis());
        change.execute(upsert).await?;
        change.set("has_transcripts = 1", now).await?;
        change.commit().await
    }

    /// Writes down that a staged version is there: the recording is `transcribed`, and its error is cleared. The claim is
    /// given up with it.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`], also where the recording was marked meanwhile; [`CatalogError::Refused`] where the
    /// version was not staged; what the database said.
    pub async fn store_transcript(
        &self,
        claim: &Claim,
        stored: &StoredTranscript,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Transcribe).await?;
        let update = sqlx::query(
            "UPDATE transcripts SET state = 'stored', provider = $1, model = $2, language = $3, words = $4, \
             sealed_bytes = $5, transcribed_at = $6 WHERE recording_sid = $7 AND version = $8 AND object IS NOT NULL",
        )
        .bind(stored.provider.as_str())
        .bind(stored.model.as_str())
        .bind(stored.language.as_str())
        .bind(stored.words.cast_signed())
        .bind(stored.sealed_bytes.cast_signed())
        .bind(now.timestamp_millis())
        .bind(claim.recording_sid().as_str())
        .bind(i64::from(stored.version));
        if change.execute(update).await?.rows_affected() == 0 {
            return Err(Refusal::NoTranscript.into());
        }
        change.set("status = 'transcribed', error = NULL", now).await?;
        change.commit_the_end(claim, now).await
    }

    /// Asks for one more version, made with `model` or else as configured, and returns its number. Written to the
    /// audit log in the name of `actor`.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; [`CatalogError::Refused`] where there is no stored media to make it from,
    /// or its deletion has begun, or Twilio encrypted it, or its transcripts were deleted already; what the database
    /// said.
    pub async fn request_transcript(
        &self,
        sid: &RecordingSid,
        model: Option<&str>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<u32, CatalogError> {
        let mut change = self.change(sid).await?;
        change.refuse_if_going()?;
        let row = &change.row;
        if row.stored_media().is_none() {
            return Err(Refusal::NoMedia.into());
        }
        if row.encryption.is_some() {
            return Err(Refusal::Encrypted.into());
        }
        if row.transcripts_deleted_at.is_some() {
            return Err(Refusal::TranscriptsDeleted.into());
        }
        let version = change.request_version(model, now).await?;
        let detail = format!("version {version}, model {}", model.unwrap_or("as configured"));
        change.audit(actor, "transcribe", &detail, now).await?;
        // Whatever it stood still for, the operator set it going again.
        change.set("status = CASE WHEN status = 'failed' THEN 'archived' ELSE status END, error = NULL", now).await?;
        change.commit().await?;
        Ok(version)
    }

    /// Writes down that a stored version was handed on. The first time counts. The claim is given up with it.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; [`CatalogError::Refused`] where no such version is stored; what the database said.
    pub async fn mark_delivered(&self, claim: &Claim, version: u32, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Deliver).await?;
        let update = sqlx::query(
            "UPDATE transcripts SET delivered_at = COALESCE(delivered_at, $1) \
             WHERE recording_sid = $2 AND version = $3 AND state = 'stored'",
        )
        .bind(now.timestamp_millis())
        .bind(claim.recording_sid().as_str())
        .bind(i64::from(version));
        if change.execute(update).await?.rows_affected() == 0 {
            return Err(Refusal::NoTranscript.into());
        }
        change.set("error = CASE WHEN status = 'failed' THEN error END", now).await?;
        change.commit_the_end(claim, now).await
    }
}

impl Change {
    /// One more version, to be made with `model` or else as configured; its number.
    pub(crate) async fn request_version(
        &mut self,
        model: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<u32, CatalogError> {
        let insert = sqlx::query(
            "INSERT INTO transcripts (recording_sid, version, state, model, requested_at) \
             SELECT $1, COALESCE(MAX(version), 0) + 1, 'requested', $2, $3 FROM transcripts WHERE recording_sid = $1 \
             RETURNING version",
        )
        .bind(self.sid().to_owned())
        .bind(model)
        .bind(now.timestamp_millis());
        Ok(u32::try_from(self.number(insert).await?).unwrap_or(u32::MAX))
    }
}
