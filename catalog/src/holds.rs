//! Legal holds, which stand against every deletion, and erasure requests, which ask for one.

use chrono::{DateTime, Utc};
use twilio::RecordingSid;

use crate::connect::Catalog;
use crate::error::{CatalogError, Refusal};
use crate::words::Status;

impl Catalog {
    /// Places a legal hold in the name of `actor`: nothing of the recording is deleted until it is released. Written to
    /// the audit log.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; [`CatalogError::Refused`] where its deletion has begun (Twilio's copy alone
    /// counts, and so does an attempt under way that has deleted nothing yet: ask again in a moment), it is deleted, or
    /// there is a hold on it already; what the database said.
    pub async fn place_hold(
        &self,
        sid: &RecordingSid,
        reason: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change(sid).await?;
        change.refuse_if_going()?;
        if change.row.mark.is_some() {
            return Err(Refusal::Marked.into());
        }
        if change.row.is_held {
            return Err(Refusal::AlreadyHeld.into());
        }
        let insert =
            sqlx::query("INSERT INTO holds (recording_sid, reason, placed_by, placed_at) VALUES ($1, $2, $3, $4)")
                .bind(sid.as_str())
                .bind(reason)
                .bind(actor)
                .bind(now.timestamp_millis());
        change.execute(insert).await?;
        change.set("is_held = 1", now).await?;
        change.audit(actor, "hold", reason, now).await?;
        change.commit().await
    }

    /// Releases the legal hold in the name of `actor`. What fell due meanwhile, an erasure request too, is due now.
    /// Written to the audit log.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; [`CatalogError::Refused`] where there is no hold; what the database said.
    pub async fn release_hold(
        &self,
        sid: &RecordingSid,
        reason: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change(sid).await?;
        if !change.row.is_held {
            return Err(Refusal::NotHeld.into());
        }
        let update = sqlx::query(
            "UPDATE holds SET release_reason = $1, released_by = $2, released_at = $3 \
             WHERE recording_sid = $4 AND released_at IS NULL",
        )
        .bind(reason)
        .bind(actor)
        .bind(now.timestamp_millis())
        .bind(sid.as_str());
        change.execute(update).await?;
        change.set("is_held = 0", now).await?;
        change.audit(actor, "release", reason, now).await?;
        change.commit().await
    }

    /// Asks, in the name of `actor`, for everything of the recording to be deleted: due at once, or as soon as a legal
    /// hold on it is released. It is remembered with the recording and written to the audit log. Asking again, or for
    /// one that is deleted, changes nothing.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; what the database said.
    pub async fn request_erasure(
        &self,
        sid: &RecordingSid,
        reason: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change(sid).await?;
        if change.row.status == Status::Deleted || change.row.erase_requested_at.is_some() {
            return Ok(());
        }
        let update = sqlx::query("UPDATE recordings SET erase_reason = $1 WHERE recording_sid = $2");
        change.execute(update.bind(reason).bind(sid.as_str())).await?;
        change.set("erase_requested_at = $1", now).await?;
        change.audit(actor, "erase", reason, now).await?;
        change.commit().await
    }
}
