//! What Twilio says of a recording, whichever way it says it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::sid::{AccountSid, CallSid, ConferenceSid, RecordingSid};

/// Twilio's word for where a recording stands. Open: Twilio adds words without notice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RecordingStatus {
    /// Being recorded.
    InProgress,
    /// Paused by the API.
    Paused,
    /// Stopped, not yet composed.
    Stopped,
    /// Being composed.
    Processing,
    /// Its media is to be had.
    Completed,
    /// Nothing was recorded (16101 too short, 16102 silent). Final.
    Absent,
    /// Lost at Twilio (16104 to 16106 encryption, 16111 and 16112 external storage). Final.
    Failed,
    /// Its media was deleted; what is known of it stays readable for 40 days.
    Deleted,
    /// A word this version does not know.
    Other(String),
}

impl RecordingStatus {
    /// Twilio's word.
    pub fn as_str(&self) -> &str {
        match self {
            RecordingStatus::InProgress => "in-progress",
            RecordingStatus::Paused => "paused",
            RecordingStatus::Stopped => "stopped",
            RecordingStatus::Processing => "processing",
            RecordingStatus::Completed => "completed",
            RecordingStatus::Absent => "absent",
            RecordingStatus::Failed => "failed",
            RecordingStatus::Deleted => "deleted",
            RecordingStatus::Other(word) => word,
        }
    }
}

impl From<&str> for RecordingStatus {
    fn from(word: &str) -> Self {
        match word {
            "in-progress" => RecordingStatus::InProgress,
            "paused" => RecordingStatus::Paused,
            "stopped" => RecordingStatus::Stopped,
            "processing" => RecordingStatus::Processing,
            "completed" => RecordingStatus::Completed,
            "absent" => RecordingStatus::Absent,
            "failed" => RecordingStatus::Failed,
            "deleted" => RecordingStatus::Deleted,
            other => RecordingStatus::Other(other.to_owned()),
        }
    }
}

impl From<String> for RecordingStatus {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<RecordingStatus> for String {
    fn from(status: RecordingStatus) -> String {
        status.as_str().to_owned()
    }
}

impl fmt::Display for RecordingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two forms Twilio serves media in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaFormat {
    /// PCM, 16 bits, 8 kHz: 128 kbit/s a channel.
    #[default]
    Wav,
    /// 32 kbit/s.
    Mp3,
}

impl MediaFormat {
    /// The file extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            MediaFormat::Wav => "wav",
            MediaFormat::Mp3 => "mp3",
        }
    }
}

impl fmt::Display for MediaFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// The text is neither `wav` nor `mp3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected wav or mp3")]
pub struct UnknownMediaFormat;

impl FromStr for MediaFormat {
    type Err = UnknownMediaFormat;

    fn from_str(text: &str) -> Result<Self, UnknownMediaFormat> {
        match text {
            "wav" => Ok(MediaFormat::Wav),
            "mp3" => Ok(MediaFormat::Mp3),
            _ => Err(UnknownMediaFormat),
        }
    }
}

/// What opens a recording under Twilio's Voice Recording Encryption, with the customer's private key: without it the
/// ciphertext can never be read. The callback and the REST API name the fields differently; both are read. A field that
/// is not known is empty: the recording counts as encrypted all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncryptionDetails {
    /// The customer's public key that was used: `CR…`.
    #[serde(alias = "encryption_public_key_sid")]
    pub public_key_sid: String,
    /// The content key, wrapped by RSAES-OAEP with SHA-256, base64.
    #[serde(alias = "encryption_cek")]
    pub encrypted_cek: String,
    /// The initialisation vector of AES-256-GCM, base64.
    #[serde(alias = "encryption_iv")]
    pub iv: String,
}

impl EncryptionDetails {
    /// The REST API's: null where the recording is not encrypted. Details that cannot be read are empty, never `None`.
    pub(crate) fn in_json(details: serde_json::Value) -> Option<Self> {
        match details {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Self::in_text(&text),
            details => Some(serde_json::from_value(details).unwrap_or_default()),
        }
    }

    /// The callback's, which are JSON in a text; otherwise as [`EncryptionDetails::in_json`].
    pub(crate) fn in_text(json: &str) -> Option<Self> {
        match json.trim() {
            "" | "null" => None,
            json => Some(serde_json::from_str(json).unwrap_or_default()),
        }
    }
}

/// What Twilio says of a recording, by callback, by list or by fetch. It travels in queue messages: no URL and no phone
/// number is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The account (or subaccount) it belongs to.
    pub account_sid: AccountSid,
    /// The recording.
    pub recording_sid: RecordingSid,
    /// Its call; a conference's recording may have none.
    pub call_sid: Option<CallSid>,
    /// Its conference, where it is one's.
    pub conference_sid: Option<ConferenceSid>,
    /// Where it stands.
    pub status: RecordingStatus,
    /// What made it: `DialVerb`, `RecordVerb`, … (open).
    pub source: Option<String>,
    /// 1 or 2.
    pub channels: Option<u8>,
    /// Whole seconds, after trimming.
    pub duration_secs: Option<u32>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// Why it is absent or failed: 161xx. Never 0.
    pub error_code: Option<u32>,
    /// Set where Twilio encrypted it for the customer.
    pub encryption: Option<EncryptionDetails>,
}
