//! Where an object stands in the store.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, RecordingSid};

const LENGTH_MOST: usize = 512;

/// A relative path of plain names: it cannot lead out of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

/// The text is no object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object key: expected names of letters, digits, '-', '_' and '.', separated by '/'")]
pub struct ObjectKeyError;

impl ObjectKey {
    /// `recordings/{AccountSid}/{YYYY}/{MM}/{DD}/{RecordingSid}.{extension}.age`
    pub fn recording(account: &AccountSid, recording: &RecordingSid, started: NaiveDate, extension: &str) -> Self {
        ObjectKey(format!("recordings/{account}/{}/{recording}.{extension}.age", started.format("%Y/%m/%d")))
    }

    /// `transcripts/{AccountSid}/{YYYY}/{MM}/{DD}/{RecordingSid}.v{version}.json.age`
    pub fn transcript(account: &AccountSid, recording: &RecordingSid, started: NaiveDate, version: u32) -> Self {
        ObjectKey(format!("transcripts/{account}/{}/{recording}.v{version}.json.age", started.format("%Y/%m/%d")))
    }

    /// The key as the store knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = ObjectKeyError;

    fn from_str(text: &str) -> Result<Self, ObjectKeyError> {
        let is_plain = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)
        };
        let is_key = text.len() <= LENGTH_MOST && text.split('/').all(is_plain);
        if is_key { Ok(ObjectKey(text.to_owned())) } else { Err(ObjectKeyError) }
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = ObjectKeyError;

    fn try_from(text: String) -> Result<Self, ObjectKeyError> {
        text.parse()
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> String {
        key.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_that_could_lead_out_of_the_store_is_refused() {
        for text in ["", "/etc/passwd", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a\\b", "a b", "a\0b", "é"] {
            assert!(text.parse::<ObjectKey>().is_err(), "{text:?}");
        }
        assert!("recordings/AC1/2026/01/31/RE1.wav.age".parse::<ObjectKey>().is_ok());
    }
}
