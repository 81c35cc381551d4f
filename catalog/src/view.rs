//! A recording as people and programs outside see it. The fields and their order are a public contract: add at the end.

use chrono::{DateTime, Utc};
use serde::Serialize;
use twilio::{AccountSid, CallSid, ConferenceSid, MediaFormat, RecordingSid};

use crate::policy::Policy;
use crate::row::{MediaRow, RecordingRow};
use crate::versions::TranscriptRow;
use crate::words::{Status, TranscriptState};

/// A recording, as `recordings show --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingView {
    /// Its key.
    pub recording_sid: RecordingSid,
    /// The account that owns it.
    pub account_sid: AccountSid,
    /// The call it is of.
    pub call_sid: Option<CallSid>,
    /// The conference it is of.
    pub conference_sid: Option<ConferenceSid>,
    /// Where it stands.
    pub status: Status,
    /// What made it.
    pub source: Option<String>,
    /// Its channels.
    pub channels: Option<u8>,
    /// Its length in whole seconds.
    pub duration_seconds: Option<u32>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was first heard of.
    pub received_at: DateTime<Utc>,
    /// The stored media.
    pub media: Option<MediaView>,
    /// The newest transcript.
    pub transcript: Option<TranscriptView>,
    /// When the audio goes, unless a legal hold stands against it.
    pub delete_after: DateTime<Utc>,
    /// Under a legal hold.
    pub legal_hold: bool,
    /// When Twilio's copy was seen to be gone.
    pub twilio_deleted_at: Option<DateTime<Utc>>,
    /// When everything was seen to be gone.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Why it stands still.
    pub error: Option<String>,
    /// Oddities found in the media.
    pub flags: Vec<String>,
}

/// Stored media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaView {
    /// Its format.
    pub format: MediaFormat,
    /// Length of the plain media.
    pub bytes: u64,
    /// SHA-256 of the plain media, lower-case hex.
    pub sha256: String,
    /// Its object key.
    pub object: String,
    /// When it was stored.
    pub archived_at: Option<DateTime<Utc>>,
}

/// A stored transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TranscriptView {
    /// Which version.
    pub version: u32,
    /// Who made it.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// The language spoken.
    pub language: String,
    /// How many words.
    pub words: u64,
    /// Its object key.
    pub object: String,
    /// When it was stored.
    pub transcribed_at: Option<DateTime<Utc>>,
}

impl RecordingView {
    /// The view of `row` and of one of its transcripts; what is only staged, or deleted, is not shown.
    pub fn new(row: &RecordingRow, transcript: Option<&TranscriptRow>, policy: &Policy) -> Self {
        RecordingView {
            recording_sid: row.recording_sid.clone(),
            account_sid: row.account_sid.clone(),
            call_sid: row.call_sid.clone(),
            conference_sid: row.conference_sid.clone(),
            status: row.status,
            source: row.source.clone(),
            channels: row.channels,
            duration_seconds: row.duration_secs,
            started_at: row.started_at,
            received_at: row.received_at,
            media: row.stored_media().map(MediaView::new),
            transcript: transcript.and_then(TranscriptView::new),
            delete_after: policy.delete_after(row),
            legal_hold: row.is_held,
            twilio_deleted_at: row.twilio_deleted_at,
            deleted_at: row.deleted_at,
            error: row.error.clone(),
            flags: row.flags.clone(),
        }
    }
}

impl MediaView {
    fn new(media: &MediaRow) -> Self {
        MediaView {
            format: media.format,
            bytes: media.bytes,
            sha256: media.sha256.clone(),
            object: media.object.clone(),
            archived_at: media.archived_at,
        }
    }
}

impl TranscriptView {
    fn new(transcript: &TranscriptRow) -> Option<Self> {
        let object = transcript.object.clone().filter(|_| transcript.state == TranscriptState::Stored)?;
        Some(TranscriptView {
            version: transcript.version,
            provider: transcript.provider.clone().unwrap_or_default(),
            model: transcript.model.clone().unwrap_or_default(),
            language: transcript.language.clone().unwrap_or_default(),
            words: transcript.words.unwrap_or_default(),
            object,
            transcribed_at: transcript.transcribed_at,
        })
    }
}
