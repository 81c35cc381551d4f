//! A recording's row.

use chrono::{DateTime, Utc};
use sqlx::any::AnyRow;
use twilio::{
    AccountSid, CallSid, ConferenceSid, EncryptionDetails, MediaFormat, Recording, RecordingSid, RecordingStatus,
};

use crate::broken::ARCHIVED_AGAIN;
use crate::columns::Columns;
use crate::facts::{Facts, rank};
use crate::permit::StoredObject;
use crate::policy::Parts;
use crate::versions::TranscriptRow;
use crate::words::{MediaState, Status};

/// The columns a [`RecordingRow`] is read from.
macro_rules! recording_columns {
    () => {
        "recording_sid, account_sid, call_sid, conference_sid, status, error, twilio_status, twilio_says_deleted, \
         twilio_error_code, source, channels, duration_secs, started_at, encryption, received_at, retention_from, \
         media_state, media_format, media_object, media_bytes, media_sha256, media_sealed_bytes, media_channels, \
         media_duration_secs, archived_at, flags, leftover_objects, has_transcripts, is_held, erase_requested_at, \
         erase_reason, marked_at, marked_rule, marked_parts, twilio_deleted_at, audio_deleted_at, \
         transcripts_deleted_at, deleted_at"
    };
}
pub(crate) use recording_columns;

/// What is known of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingRow {
    /// The account that owns it.
    pub account_sid: AccountSid,
    /// Its key.
    pub recording_sid: RecordingSid,
    /// The call it is of, where Twilio says so.
    pub call_sid: Option<CallSid>,
    /// The conference it is of.
    pub conference_sid: Option<ConferenceSid>,
    /// Where it stands.
    pub status: Status,
    /// Twilio's furthest word for it, in whatever order the words came; `deleted` once Twilio said that.
    pub twilio_status: String,
    /// What made it (`DialVerb`, `RecordVerb`…).
    pub source: Option<String>,
    /// Channels of the archived media where they could be counted, else as Twilio says.
    pub channels: Option<u8>,
    /// Whole seconds as Twilio says; of the archived media where it does not.
    pub duration_secs: Option<u32>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was first heard of.
    pub received_at: DateTime<Utc>,
    /// What retention counts from: `started_at`, else `received_at`.
    pub retention_from: DateTime<Utc>,
    /// How Twilio encrypted it, where it did. Gone from a tombstone.
    pub encryption: Option<EncryptionDetails>,
    /// Our copy; `None` before it is staged and after it is deleted.
    pub media: Option<MediaRow>,
    /// Under a legal hold.
    pub is_held: bool,
    /// Our audio or our transcripts are chosen for deletion: no other work is begun on it. (While only Twilio's copy
    /// goes this is false: ours stays, and work on it may go on.)
    pub is_marked: bool,
    /// When an operator asked for all of it to be deleted.
    pub erase_requested_at: Option<DateTime<Utc>>,
    /// Oddities found in the media (`duration_differs`, `twilio_encrypted`…).
    pub flags: Vec<String>,
    /// When Twilio's copy was seen to be gone.
    pub twilio_deleted_at: Option<DateTime<Utc>>,
    /// When every copy of the audio was seen to be gone; a transcript may outlive it.
    pub audio_deleted_at: Option<DateTime<Utc>>,
    /// When its transcripts were seen to be gone; the audio may outlive them. None is made after.
    pub transcripts_deleted_at: Option<DateTime<Utc>>,
    /// When everything was seen to be gone.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The rule by which everything was deleted; `None` until it is.
    pub deleted_by: Option<String>,
    /// Why it stands still.
    pub error: Option<String>,

    pub(crate) facts: Facts,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) leftovers: Vec<String>,
    pub(crate) has_transcripts: bool,
    pub(crate) erase_reason: Option<String>,
    pub(crate) mark: Option<Mark>,
}

/// Our copy of the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRow {
    /// Its format.
    pub format: MediaFormat,
    /// Its object key.
    pub object: String,
    /// Length of the plain media; 0 until it is stored.
    pub bytes: u64,
    /// SHA-256 of the plain media in lower-case hex; empty until it is stored.
    pub sha256: String,
    /// Length of the sealed object; 0 until it is stored.
    pub sealed_bytes: u64,
    /// When it was stored.
    pub archived_at: Option<DateTime<Utc>>,
    /// Whether its bytes are there and verified.
    pub state: MediaState,
}

/// The gate's mark: what is being deleted and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) rule: String,
    pub(crate) parts: Parts,
}

impl RecordingRow {
    /// What Twilio said of it, put together, as if said once more.
    pub fn twilio_recording(&self) -> Recording {
        Recording {
            account_sid: self.account_sid.clone(),
            recording_sid: self.recording_sid.clone(),
            call_sid: self.call_sid.clone(),
            conference_sid: self.conference_sid.clone(),
            status: RecordingStatus::from(self.twilio_status.as_str()),
            source: self.source.clone(),
            channels: self.facts.channels,
            duration_secs: self.facts.duration_secs,
            started_at: self.started_at,
            error_code: self.facts.error_code,
            encryption: self.encryption.clone(),
        }
    }

    /// Whether its media was stored and verified: an archive job has nothing left to do, even where the media was
    /// deleted since. Whether the media is there now: [`RecordingRow::media`].
    pub fn is_archived(&self) -> bool {
        self.archived_at.is_some()
    }

    /// Whether `word` of Twilio's would set going what stands still or waits: nothing is archived, nothing is being
    /// deleted, and it is further than what Twilio said so far.
    pub fn is_moved_by(&self, word: &RecordingStatus) -> bool {
        let is_open = !self.is_archived() && self.mark.is_none() && self.status != Status::Deleted;
        is_open && rank(word) > rank(&self.facts.word)
    }

    /// Whether its media was archived a second time, because the first copy was broken.
    pub fn was_archived_again(&self) -> bool {
        self.flags.iter().any(|flag| flag == ARCHIVED_AGAIN)
    }

    /// Whether it is about one of these objects: its media, its transcripts, or what an attempt at another key left.
    pub fn names(&self, transcripts: &[TranscriptRow], key: &str) -> bool {
        let media = self.media.iter().map(|media| media.object.as_str());
        let made = transcripts.iter().filter_map(|transcript| transcript.object.as_deref());
        media.chain(made).chain(self.leftovers.iter().map(String::as_str)).any(|named| named == key)
    }

    /// Our copy, where its bytes are there and verified.
    pub fn stored_media(&self) -> Option<&MediaRow> {
        self.media.as_ref().filter(|media| media.state == MediaState::Stored)
    }

    pub(crate) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let columns = Columns(row);
        let facts = Facts::read(&columns)?;
        let status: Status = columns.parsed("status")?;
        // The mark stays with a tombstone, and names its rule.
        let (mark, buried) = match Mark::read(&columns)? {
            mark if status == Status::Deleted => (None, mark),
            mark => (mark, None),
        };
        let measured_secs = columns.real_or_null("media_duration_secs")?.map(|secs| secs.round() as u32);
        Ok(RecordingRow {
            account_sid: columns.parsed("account_sid")?,
            recording_sid: columns.parsed("recording_sid")?,
            call_sid: facts.call_sid.clone(),
            conference_sid: facts.conference_sid.clone(),
            status,
            twilio_status: if facts.says_deleted { "deleted".to_owned() } else { facts.word.to_string() },
            source: facts.source.clone(),
            channels: columns.number_or_null("media_channels")?.or(facts.channels),
            duration_secs: facts.duration_secs.or(measured_secs),
            started_at: facts.started_at,
            received_at: facts.received_at,
            retention_from: columns.time("retention_from")?,
            encryption: columns.json_or_null("encryption")?,
            media: MediaRow::read(&columns)?,
            is_held: columns.flag("is_held")?,
            is_marked: mark.as_ref().is_some_and(|mark| mark.parts.has_ours()),
            erase_requested_at: columns.time_or_null("erase_requested_at")?,
            flags: columns.json("flags")?,
            twilio_deleted_at: columns.time_or_null("twilio_deleted_at")?,
            audio_deleted_at: columns.time_or_null("audio_deleted_at")?,
            transcripts_deleted_at: columns.time_or_null("transcripts_deleted_at")?,
            deleted_at: columns.time_or_null("deleted_at")?,
            deleted_by: buried.map(|mark| mark.rule),
            error: columns.text_or_null("error")?,
            facts,
            archived_at: columns.time_or_null("archived_at")?,
            leftovers: columns.json("leftover_objects")?,
            has_transcripts: columns.flag("has_transcripts")?,
            erase_reason: columns.text_or_null("erase_reason")?,
            mark,
        })
    }
}

impl MediaRow {
    /// As the vault has it.
    pub fn stored_object(&self) -> StoredObject {
        StoredObject {
            key: self.object.clone(),
            sealed_bytes: self.sealed_bytes,
            sha256: self.sha256.clone(),
            bytes: self.bytes,
        }
    }

    fn read(columns: &Columns<'_>) -> Result<Option<Self>, sqlx::Error> {
        let Some(state) = columns.parsed_or_null("media_state")? else { return Ok(None) };
        Ok(Some(MediaRow {
            format: columns.parsed("media_format")?,
            object: columns.text("media_object")?,
            bytes: columns.number_or_null("media_bytes")?.unwrap_or_default(),
            sha256: columns.text_or_null("media_sha256")?.unwrap_or_default(),
            sealed_bytes: columns.number_or_null("media_sealed_bytes")?.unwrap_or_default(),
            archived_at: columns.time_or_null("archived_at")?,
            state,
        }))
    }
}

impl Mark {
    fn read(columns: &Columns<'_>) -> Result<Option<Self>, sqlx::Error> {
        let Some(parts) = columns.parsed_or_null("marked_parts")? else { return Ok(None) };
        Ok(Some(Mark { rule: columns.text("marked_rule")?, parts }))
    }
}
