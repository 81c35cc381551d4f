//! What a message asks for.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, Recording, RecordingSid};

use crate::error::DecodeError;
use crate::message::Lane;
use crate::stage::Stage;

/// One step of one recording's way. Carries ids and the few facts of a callback; never media, a URL or a phone number.
///
/// The variant's version is part of its name on the wire: a message may outlive the release that wrote it, so a variant
/// that was ever published stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job")]
#[expect(clippy::large_enum_variant, reason = "most jobs are the large one, and none lives long")]
pub enum Job {
    /// Archive what Twilio spoke of.
    ArchiveV1 {
        /// What it said.
        recording: Recording,
        /// When it was first heard.
        received_at: DateTime<Utc>,
        /// Of a backfill: it waits until no new recording's does. Not written where it is not so.
        #[serde(default, skip_serializing_if = "is_false")]
        is_backfill: bool,
    },
    /// Make a version of the transcript.
    TranscribeV1 {
        /// Whose.
        account_sid: AccountSid,
        /// Of which.
        recording_sid: RecordingSid,
        /// 1 for the first.
        version: u32,
        /// Of a backfill: it waits until no new recording's does. Not written where it is not so.
        #[serde(default, skip_serializing_if = "is_false")]
        is_backfill: bool,
    },
    /// Post a version of the transcript.
    DeliverV1 {
        /// Whose.
        account_sid: AccountSid,
        /// Of which.
        recording_sid: RecordingSid,
        /// Which version.
        version: u32,
        /// Of a backfill: it waits until no new recording's does. Not written where it is not so.
        #[serde(default, skip_serializing_if = "is_false")]
        is_backfill: bool,
    },
    /// Delete what of the recording is due.
    PurgeV1 {
        /// Whose.
        account_sid: AccountSid,
        /// Which.
        recording_sid: RecordingSid,
    },
}

impl Job {
    /// The lane it waits in.
    pub fn lane(&self) -> Lane {
        match self {
            Job::ArchiveV1 { is_backfill: true, .. }
            | Job::TranscribeV1 { is_backfill: true, .. }
            | Job::DeliverV1 { is_backfill: true, .. } => Lane::backfill(self.stage()),
            _ => Lane::live(self.stage()),
        }
    }

    /// The step it asks for.
    pub fn stage(&self) -> Stage {
        match self {
            Job::ArchiveV1 { .. } => Stage::Archive,
            Job::TranscribeV1 { .. } => Stage::Transcribe,
            Job::DeliverV1 { .. } => Stage::Deliver,
            Job::PurgeV1 { .. } => Stage::Purge,
        }
    }

    /// Whose recording it is about.
    pub fn account_sid(&self) -> &AccountSid {
        match self {
            Job::ArchiveV1 { recording, .. } => &recording.account_sid,
            Job::TranscribeV1 { account_sid, .. }
            | Job::DeliverV1 { account_sid, .. }
            | Job::PurgeV1 { account_sid, .. } => account_sid,
        }
    }

    /// Which recording it is about.
    pub fn recording_sid(&self) -> &RecordingSid {
        match self {
            Job::ArchiveV1 { recording, .. } => &recording.recording_sid,
            Job::TranscribeV1 { recording_sid, .. }
            | Job::DeliverV1 { recording_sid, .. }
            | Job::PurgeV1 { recording_sid, .. } => recording_sid,
        }
    }

    /// The message's body: JSON, in characters that every engine takes.
    pub fn encode(&self) -> Bytes {
        let body = serde_json::to_string(self).expect("a job is strings and numbers, which JSON always takes");
        // Not in SQS, and a message that is refused for good would hold up those behind it in a spool.
        if !body.contains(['\u{fffe}', '\u{ffff}']) {
            return body.into();
        }
        body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff").into()
    }

    /// Reads a message's body.
    pub fn decode(body: &[u8]) -> Result<Job, DecodeError> {
        serde_json::from_slice(body).map_err(DecodeError)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const RECORDING: &str = "REcccccccccccccccccccccccccccccccc";

    /// Messages that wait in queues out there: these texts must stay readable for ever.
    fn stored() -> [(String, Lane); 5] {
        let ids = format!(r#""account_sid":"{ACCOUNT}","recording_sid":"{RECORDING}""#);
        [
            (
                format!(
                    r#"{{"job":"ArchiveV1","recording":{{{ids},"call_sid":null,"conference_sid":null,"status":"completed","source":"DialVerb","channels":2,"duration_secs":13,"started_at":"2026-03-24T18:15:40Z","error_code":null,"encryption":null}},"received_at":"2026-03-24T18:16:00Z"}}"#
                ),
                Lane::live(Stage::Archive),
            ),
            (format!(r#"{{"job":"TranscribeV1",{ids},"version":1}}"#), Lane::live(Stage::Transcribe)),
            (
                format!(r#"{{"job":"TranscribeV1",{ids},"version":1,"is_backfill":true}}"#),
                Lane::backfill(Stage::Transcribe),
            ),
            (format!(r#"{{"job":"DeliverV1",{ids},"version":2}}"#), Lane::live(Stage::Deliver)),
            (format!(r#"{{"job":"PurgeV1",{ids}}}"#), Lane::live(Stage::Purge)),
        ]
    }

    #[test]
    fn stored_messages_are_read_and_written_as_they_stand() {
        for (text, lane) in stored() {
            let job = Job::decode(text.as_bytes()).unwrap();
            assert_eq!((job.lane(), job.recording_sid().as_str()), (lane, RECORDING));
            assert_eq!(job.encode(), text.as_bytes());
        }
    }

    #[test]
    fn characters_that_sqs_refuses_are_escaped() {
        let (text, _) = &stored()[0];
        let job = Job::decode(text.replace("DialVerb", "a\u{ffff}é\u{fffe}").as_bytes()).unwrap();
        let encoded = String::from_utf8(job.encode().to_vec()).unwrap();
        assert!(encoded.contains(r"a\uffffé\ufffe"), "{encoded}");
        assert_eq!(Job::decode(encoded.as_bytes()).unwrap(), job);
    }

    #[test]
    fn what_is_no_job_is_an_error_that_does_not_repeat_it() {
        for body in ["", "{}", r#"{"job":"DanceV1"}"#, r#"{"job":"PurgeV1","account_sid":"+14155551234"}"#] {
            let error = Job::decode(body.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("4155551234"), "{error}");
        }
    }
}
