//! What Twilio said of a recording, put together from any number of messages in any order.

use chrono::{DateTime, Utc};
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use twilio::{CallSid, ConferenceSid, Recording, RecordingStatus};

use crate::columns::{Columns, to_json};
use crate::words::Status;

/// All that was said so far.
///
/// Messages are joined field by field, and in each field the greater value stands: something over nothing, a later word
/// over an earlier one. That makes the order of messages, and how often each comes, of no importance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) call_sid: Option<CallSid>,
    pub(crate) conference_sid: Option<ConferenceSid>,
    /// Twilio's furthest word, `deleted` aside: it may follow any of them and takes none of them back.
    pub(crate) word: RecordingStatus,
    pub(crate) says_deleted: bool,
    pub(crate) error_code: Option<u32>,
    pub(crate) source: Option<String>,
    pub(crate) channels: Option<u8>,
    pub(crate) duration_secs: Option<u32>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// JSON, as it is kept.
    pub(crate) encryption: Option<String>,
    /// The first time of all.
    pub(crate) received_at: DateTime<Utc>,
}

impl Facts {
    pub(crate) fn of(recording: &Recording, received_at: DateTime<Utc>) -> Result<Self, sqlx::Error> {
        let says_deleted = recording.status == RecordingStatus::Deleted;
        Ok(Facts {
            call_sid: recording.call_sid.clone(),
            conference_sid: recording.conference_sid.clone(),
            word: if says_deleted { RecordingStatus::Other(String::new()) } else { recording.status.clone() },
            says_deleted,
            // Zero means that there was none.
            error_code: recording.error_code.filter(|code| *code != 0),
            source: recording.source.clone(),
            channels: recording.channels,
            duration_secs: recording.duration_secs,
            started_at: recording.started_at.map(to_millis),
            encryption: recording.encryption.as_ref().map(to_json).transpose()?,
            received_at: to_millis(received_at),
        })
    }

    pub(crate) fn read(columns: &Columns<'_>) -> Result<Self, sqlx::Error> {
        Ok(Facts {
            call_sid: columns.parsed_or_null("call_sid")?,
            conference_sid: columns.parsed_or_null("conference_sid")?,
            word: RecordingStatus::from(columns.text("twilio_status")?.as_str()),
            says_deleted: columns.flag("twilio_says_deleted")?,
            error_code: columns.number_or_null("twilio_error_code")?,
            source: columns.text_or_null("source")?,
            channels: columns.number_or_null("channels")?,
            duration_secs: columns.number_or_null("duration_secs")?,
            started_at: columns.time_or_null("started_at")?,
            encryption: columns.text_or_null("encryption")?,
            received_at: columns.time("received_at")?,
        })
    }

    pub(crate) fn join(self, other: Facts) -> Facts {
        Facts {
            call_sid: self.call_sid.max(other.call_sid),
            conference_sid: self.conference_sid.max(other.conference_sid),
            word: std::cmp::max_by(self.word, other.word, |one, two| rank(one).cmp(&rank(two))),
            says_deleted: self.says_deleted || other.says_deleted,
            error_code: self.error_code.max(other.error_code),
            source: self.source.max(other.source),
            channels: self.channels.max(other.channels),
            duration_secs: self.duration_secs.max(other.duration_secs),
            started_at: self.started_at.max(other.started_at),
            encryption: self.encryption.max(other.encryption),
            received_at: self.received_at.min(other.received_at),
        }
    }

    /// Binds everything but `received_at`, in the order of the fields.
    pub(crate) fn bind<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        query
            .bind(self.call_sid.as_ref().map(ToString::to_string))
            .bind(self.conference_sid.as_ref().map(ToString::to_string))
            .bind(self.word.to_string())
            .bind(i64::from(self.says_deleted))
            .bind(self.error_code.map(i64::from))
            .bind(self.source.clone())
            .bind(self.channels.map(i64::from))
            .bind(self.duration_secs.map(i64::from))
            .bind(self.started_at.map(|at| at.timestamp_millis()))
            .bind(self.encryption.clone())
    }

    /// Where a recording stands of which nothing is archived, by these facts alone, and why.
    pub(crate) fn standing(&self) -> (Status, Option<String>) {
        let code = self.error_code.map(|code| format!(" (error {code})"));
        match self.word {
            RecordingStatus::Absent => (Status::Absent, code.map(|code| format!("nothing was recorded{code}"))),
            RecordingStatus::Failed => {
                (Status::Failed, Some(format!("the recording failed at Twilio{}", code.unwrap_or_default())))
            }
            _ => (Status::Received, None),
        }
    }
}

/// How far a word is. `completed` is the furthest: what Twilio once said to have is never given up.
pub(crate) fn rank(word: &RecordingStatus) -> (u8, String) {
    let rank = match word {
        RecordingStatus::Other(_) | RecordingStatus::Deleted => 0,
        RecordingStatus::InProgress => 1,
        RecordingStatus::Paused => 2,
        RecordingStatus::Stopped => 3,
        RecordingStatus::Processing => 4,
        RecordingStatus::Absent => 5,
        RecordingStatus::Failed => 6,
        RecordingStatus::Completed => 7,
    };
    (rank, word.to_string())
}

/// Times are kept to the millisecond; what is compared with them must be too.
fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
}
