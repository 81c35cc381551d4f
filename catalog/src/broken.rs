//! What was stored and is broken: set back, so that it is made once more. Here too nothing is believed but what is done
//! under a claim, and what was known of the broken object is written to the audit log before it is forgotten.

use chrono::{DateTime, Utc};

use crate::claims::Claim;
use crate::columns::to_json;
use crate::connect::Catalog;
use crate::error::{CatalogError, Refusal};
use crate::row::MediaRow;
use crate::words::{TranscriptState, Work};

/// The flag of media that was archived a second time, because the first copy was broken.
pub(crate) const ARCHIVED_AGAIN: &str = "archived_again";

impl Catalog {
    /// Sets `broken`, the stored media as it was when it was looked at, back to staged, so that it is archived once more under the same key: the recording is `received`
    /// again and flagged `archived_again`. Transcripts stay. In the name of `actor`, with `why` and what the catalog knew
    /// of the broken copy in the audit log.
    ///
    /// Only for media whose object is gone or damaged, and that Twilio still has: what was known of ours is forgotten.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; [`CatalogError::Refused`] where nothing is stored, where what is stored was archived after
    /// that look, or where its deletion, Twilio's
    /// copy alone included, has begun or is done; what the database said.
    pub async fn set_media_back(
        &self,
        claim: &Claim,
        broken: &MediaRow,
        actor: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under(claim, Work::Archive).await?;
        change.refuse_if_going()?;
        if change.row.mark.is_some() {
            return Err(Refusal::Marked.into());
        }
        if change.row.twilio_deleted_at.is_some() {
            return Err(Refusal::GoneAtTwilio.into());
        }
        let Some(media) = change.row.stored_media().cloned() else { return Err(Refusal::NoMedia.into()) };
        if media != *broken {
            // Somebody had it archived again since.
            return Err(Refusal::AlreadyStored.into());
        }
        let mut flags = change.row.flags.clone();
        flags.retain(|flag| flag != ARCHIVED_AGAIN);
        flags.push(ARCHIVED_AGAIN.to_owned());
        let sid = change.sid().to_owned();
        let update = sqlx::query("UPDATE recordings SET flags = $1 WHERE recording_sid = $2").bind(to_json(&flags)?);
        change.execute(update.bind(sid)).await?;
        change
            .set(
                "media_state = 'staged', media_bytes = NULL, media_sha256 = NULL, media_sealed_bytes = NULL, \
                 archived_at = NULL, steps_queued_at = NULL, status = 'received', error = NULL",
                now,
            )
            .await?;
        let (object, bytes, sha256) = (&media.object, media.bytes, &media.sha256);
        let detail = format!("{object}: {why}; it was of {bytes} bytes, sha256 {sha256}");
        change.audit(actor, "archive again", &detail, now).await?;
        change.commit().await
    }

    /// Gives up a stored version whose object is gone or damaged, asks for a new one in its place, and returns its
    /// number. A version is never made twice: the old one stays as one that was deleted, what may be left of its object
    /// goes with the recording. In the name of `actor`, with `why` in the audit log.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; [`CatalogError::Refused`] where there is no such stored version, where its deletion
    /// has begun or is done, or where no new one could be made: there is no stored media, or Twilio encrypted it; what the
    /// database said.
    pub async fn replace_transcript(
        &self,
        claim: &Claim,
        version: u32,
        actor: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<u32, CatalogError> {
        let mut change = self.change_under(claim, Work::Transcribe).await?;
        change.refuse_if_going()?;
        if change.row.stored_media().is_none() {
            return Err(Refusal::NoMedia.into());
        }
        if change.row.encryption.is_some() {
            return Err(Refusal::Encrypted.into());
        }
        let broken = change.transcript(version).await?.filter(|made| made.state == TranscriptState::Stored);
        let Some(object) = broken.and_then(|made| made.object) else { return Err(Refusal::NoTranscript.into()) };
        let sid = change.sid().to_owned();
        let give_up =
            "UPDATE transcripts SET object = NULL, sealed_bytes = NULL WHERE recording_sid = $1 AND version = $2";
        change.execute(sqlx::query(give_up).bind(sid).bind(i64::from(version))).await?;
        change.keep_leftover(object.clone(), "").await?;
        let next = change.request_version(None, now).await?;
        let detail = format!("{object}: {why}; version {next} is to take its place");
        change.audit(actor, "transcribe again", &detail, now).await?;
        // Without any version left that can be read it is not transcribed any more.
        let left = change.transcripts().await?.into_iter().any(|made| made.is_readable());
        if !left {
            change.set("status = 'archived'", now).await?;
        }
        change.set("steps_queued_at = NULL, error = NULL", now).await?;
        change.commit().await?;
        Ok(next)
    }
}
