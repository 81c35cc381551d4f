//! The forms Twilio posts: recording status callbacks and call progress callbacks.
//!
//! Sources: `https://www.twilio.com/docs/voice/api/recording#recording-status-callback` and
//! `https://www.twilio.com/docs/voice/api/call-resource#statuscallback`. Unknown fields are kept (they are signed) and
//! otherwise ignored; every value but the SIDs and the status may be missing or odd: Twilio does not send a refused
//! callback again, and the REST API can still be asked.

use std::str::FromStr;

use chrono::DateTime;

use crate::recording::{EncryptionDetails, Recording, RecordingStatus};
use crate::sid::{AccountSid, CallSid};

/// Decoded parameters, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// Reads a form body (`application/x-www-form-urlencoded`, WHATWG URL 5.1). Invalid UTF-8 becomes U+FFFD.
    pub fn from_form(body: &[u8]) -> Self {
        Params(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Reads a raw query, without its `?`.
    pub fn from_query(query: &str) -> Self {
        Params::from_form(query.as_bytes())
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn present(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn required(&self, field: &'static str) -> Result<&str, CallbackError> {
        self.present(field).ok_or_else(|| CallbackError { field, problem: "missing".to_owned() })
    }

    /// `None` where it is missing, and where it cannot be read.
    fn lenient<T: FromStr>(&self, name: &str) -> Option<T> {
        self.present(name).and_then(|text| text.parse().ok())
    }

    fn optional<T: FromStr>(&self, field: &'static str) -> Result<Option<T>, CallbackError>
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.present(field) else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| CallbackError { field, problem: error.to_string() })
    }

    fn sid<T: FromStr>(&self, field: &'static str) -> Result<T, CallbackError>
    where
        T::Err: std::fmt::Display,
    {
        self.required(field)?;
        self.optional(field)?.ok_or_else(|| CallbackError { field, problem: "missing".to_owned() })
    }
}

/// A required field is missing, or a field is malformed. Never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct CallbackError {
    /// Twilio's name of the field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads a recordingStatusCallback, of whichever verb or resource.
pub fn recording_callback(params: &Params) -> Result<Recording, CallbackError> {
    let status = RecordingStatus::from(params.required("RecordingStatus")?);
    recording(params, status)
}

/// A call progress callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallProgress {
    /// The account.
    pub account_sid: AccountSid,
    /// The call, a SIP or SDK leg included.
    pub call_sid: CallSid,
    /// Twilio's word: `ringing`, `completed`, …
    pub call_status: String,
    /// The recording that a completed call names, where it was made with Record=true.
    pub recording: Option<Recording>,
}

/// Reads a call's StatusCallback. A RecordingSid in it is a completed recording, whose facts are yet to be fetched.
pub fn call_progress_callback(params: &Params) -> Result<CallProgress, CallbackError> {
    let has_recording = params.present("RecordingSid").is_some();
    let recording = has_recording.then(|| recording(params, RecordingStatus::Completed)).transpose()?;
    Ok(CallProgress {
        account_sid: params.sid("AccountSid")?,
        call_sid: params.sid("CallSid")?,
        call_status: params.present("CallStatus").unwrap_or_default().to_owned(),
        // The ErrorCode here is the call's.
        recording: recording.map(|recording| Recording { error_code: None, ..recording }),
    })
}

fn recording(params: &Params, status: RecordingStatus) -> Result<Recording, CallbackError> {
    Ok(Recording {
        account_sid: params.sid("AccountSid")?,
        recording_sid: params.sid("RecordingSid")?,
        call_sid: params.optional("CallSid")?,
        conference_sid: params.optional("ConferenceSid")?,
        status,
        source: params.present("RecordingSource").map(str::to_owned),
        channels: params.lenient("RecordingChannels"),
        // Absent recordings have been seen with a duration of -1.
        duration_secs: params.lenient("RecordingDuration"),
        // RFC 2822, in `+0000` or `GMT`.
        started_at: params
            .present("RecordingStartTime")
            .and_then(|text| Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())),
        error_code: params.lenient("ErrorCode").filter(|code| *code != 0),
        encryption: params.present("EncryptionDetails").and_then(EncryptionDetails::in_text),
    })
}

#[cfg(test)]
mod tests;
