//! What falls due when. Dates are computed when asked for, never stored: a new policy holds for old recordings at once.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::row::RecordingRow;
use crate::words::Status;

/// Flags of an archived copy that may not be all there was: Twilio's does not go before it. The sweep's query has them
/// too.
const DOUBTFUL: [&str; 2] = ["shorter_than_its_header", "duration_differs"];

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Days the audio is kept, counted from the recording's start.
    pub retention_days: u32,
    /// Days a transcript is kept, counted from the recording's start.
    pub transcript_days: u32,
    /// Days after the archive when Twilio's copy goes; `None`: with the audio. It never outlives the audio, and goes with
    /// it where ours may not be all of it: where it is flagged `shorter_than_its_header` or `duration_differs`.
    pub twilio_delete_after_days: Option<u32>,
}

/// The parts of a recording that can go by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Twilio's copy.
    pub(crate) twilio: bool,
    /// All audio: our copy, and Twilio's too if it is still there.
    pub(crate) audio: bool,
    /// Every version of the transcript.
    pub(crate) transcripts: bool,
}

/// What is due, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) parts: Parts,
    pub(crate) rule: String,
}

impl Policy {
    /// What of the recording is due at `now`, holds aside. A date is due at its very instant.
    pub(crate) fn due(&self, row: &RecordingRow, now: DateTime<Utc>) -> Option<Due> {
        if matches!(row.status, Status::Absent | Status::Deleted) {
            return None;
        }
        if row.erase_requested_at.is_some_and(|at| at <= now) {
            let parts = Parts {
                twilio: row.twilio_deleted_at.is_none(),
                audio: row.audio_deleted_at.is_none(),
                transcripts: row.has_transcripts,
            };
            let rule = format!("erasure: {}", row.erase_reason.as_deref().unwrap_or_default());
            return Some(Due { parts, rule });
        }
        let is_past = |from: DateTime<Utc>, days| after_days(from, days) <= now;
        let audio = row.audio_deleted_at.is_none() && is_past(row.retention_from, self.retention_days);
        let transcripts = row.has_transcripts && is_past(row.retention_from, self.transcript_days);
        let is_sound = !row.flags.iter().any(|flag| DOUBTFUL.contains(&flag.as_str()));
        let archived_at = row.stored_media().filter(|_| is_sound).and_then(|media| media.archived_at);
        let twilio_alone = self.twilio_delete_after_days.zip(archived_at).is_some_and(|(days, at)| is_past(at, days));
        let twilio = row.twilio_deleted_at.is_none() && (audio || twilio_alone);
        let rule = if audio {
            format!("retention {} days", self.retention_days)
        } else if transcripts {
            format!("transcript retention {} days", self.transcript_days)
        } else if twilio {
            format!("twilio copy {} days after archive", self.twilio_delete_after_days.unwrap_or_default())
        } else {
            return None;
        };
        Some(Due { parts: Parts { twilio, audio, transcripts }, rule })
    }

    /// When the audio goes, holds aside.
    pub(crate) fn delete_after(&self, row: &RecordingRow) -> DateTime<Utc> {
        let by_retention = after_days(row.retention_from, self.retention_days);
        row.erase_requested_at.map_or(by_retention, |erased| erased.min(by_retention))
    }

    /// What started at or before this is past its retention of `days` at `now`, in milliseconds.
    pub(crate) fn cutoff(now: DateTime<Utc>, days: u32) -> i64 {
        now.timestamp_millis().saturating_sub(TimeDelta::days(i64::from(days)).num_milliseconds())
    }
}

fn after_days(from: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    from.checked_add_signed(TimeDelta::days(i64::from(days))).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Parts {
    /// Anything of ours, rather than Twilio's copy alone.
    pub(crate) fn has_ours(self) -> bool {
        self.audio || self.transcripts
    }

    pub(crate) fn and(self, other: Parts) -> Parts {
        Parts {
            twilio: self.twilio || other.twilio,
            audio: self.audio || other.audio,
            transcripts: self.transcripts || other.transcripts,
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.twilio, "twilio"), (self.audio, "audio"), (self.transcripts, "transcripts")];
        let words: Vec<_> = words.into_iter().filter(|(is_part, _)| *is_part).map(|(_, word)| word).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Parts {
    type Err = std::convert::Infallible;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        let has = |part| words.split(' ').any(|word| word == part);
        Ok(Parts { twilio: has("twilio"), audio: has("audio"), transcripts: has("transcripts") })
    }
}
