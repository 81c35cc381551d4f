//! Strays: objects that were written after what they belong to was deleted. Here too the catalog decides, under the
//! row's lock, and only what it grants is deleted.

use chrono::{DateTime, Utc};
use twilio::RecordingSid;

use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::RecordingRow;
use crate::words::{Status, Work};

/// In whose name the audit log says that a stray was deleted.
const ACTOR: &str = "callvault";

/// What an object that somebody came upon is to the catalog.
#[derive(Debug)]
pub enum StrayDecision {
    /// It belongs to what is kept, or may come to: leave it.
    Kept,
    /// Nobody told this catalog of its recording: leave it, for the catalog may be the one that lost something.
    Unknown,
    /// Nothing that is kept can ever be under this key: it must go.
    Granted(StrayPermit),
}

/// The right to delete one object. Only [`Catalog::grant_stray`] makes it, and [`Catalog::complete_stray`] takes it back.
/// It does not grow old: a recording of which this was said never gets such an object again.
#[derive(Debug)]
pub struct StrayPermit {
    recording_sid: RecordingSid,
    key: String,
}

impl StrayPermit {
    /// The object.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Catalog {
    /// Decides what the object `key` of the recording is, which `made_by` ([`Work::Archive`] or [`Work::Transcribe`])
    /// makes. It is a stray where its kind was deleted or is marked for deletion, unless the recording still names it.
    ///
    /// # Errors
    /// What the database said; nothing is granted then.
    pub async fn grant_stray(
        &self,
        sid: &RecordingSid,
        made_by: Work,
        key: &str,
    ) -> Result<StrayDecision, CatalogError> {
        let mut change = match self.change(sid).await {
            Ok(change) => change,
            Err(CatalogError::UnknownRecording(_)) => return Ok(StrayDecision::Unknown),
            Err(error) => return Err(error),
        };
        let transcripts = change.transcripts().await?;
        let is_stray =
            change.row.is_going(made_by) || change.row.has_lost(made_by) && !change.row.names(&transcripts, key);
        Ok(if is_stray {
            StrayDecision::Granted(StrayPermit { recording_sid: sid.clone(), key: key.to_owned() })
        } else {
            StrayDecision::Kept
        })
    }

    /// Writes down that the stray was seen to be gone.
    ///
    /// # Errors
    /// What the database said.
    pub async fn complete_stray(&self, permit: StrayPermit, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut change = self.change(&permit.recording_sid).await?;
        let detail = format!("{}, written after its deletion, seen to be gone", permit.key);
        change.audit(ACTOR, "stray", &detail, now).await?;
        change.commit().await
    }
}

impl RecordingRow {
    /// Whether all that `work` makes was deleted, so that it makes nothing of it again.
    pub fn has_lost(&self, work: Work) -> bool {
        let deleted_at = match work {
            Work::Archive => self.audio_deleted_at,
            Work::Transcribe => self.transcripts_deleted_at,
            Work::Deliver | Work::Purge => None,
        };
        self.status == Status::Deleted || deleted_at.is_some()
    }

    /// Whether all that `work` makes is marked for deletion.
    fn is_going(&self, work: Work) -> bool {
        self.mark.as_ref().is_some_and(|mark| match work {
            Work::Archive => mark.parts.audio,
            Work::Transcribe => mark.parts.transcripts,
            Work::Deliver | Work::Purge => false,
        })
    }
}
