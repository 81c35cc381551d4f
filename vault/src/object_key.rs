//! What objects are called. The two layouts are part of the public contract: scripts find objects by them.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, RecordingSid};

/// An object's key, one of
/// `recordings/{AccountSid}/{YYYY}/{MM}/{DD}/{RecordingSid}.{extension}.age` and
/// `transcripts/{AccountSid}/{YYYY}/{MM}/{DD}/{RecordingSid}.v{N}.json.age`.
///
/// Every way to make one checks all of it, so a key is always a relative path of six plain names: it can't climb out
/// of a folder or a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

/// The text is no object's key. It isn't repeated: it may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an object's key: expected recordings/AC…/YYYY/MM/DD/RE….wav.age or transcripts/AC…/YYYY/MM/DD/RE….v1.json.age"
)]
pub struct ObjectKeyError;

impl ObjectKey {
    /// The key of a recording's media; `date` is the day it started, UTC. `extension` is the media's, `wav` or `mp3`:
    /// its ASCII letters and digits go into the key, in lower case, and nothing else of it does.
    pub fn recording(account: &AccountSid, recording: &RecordingSid, date: NaiveDate, extension: &str) -> Self {
        let extension: String = extension.chars().filter(char::is_ascii_alphanumeric).take(EXTENSION_MAX).collect();
        let extension = if extension.is_empty() { "media".to_owned() } else { extension.to_ascii_lowercase() };
        ObjectKey(format!("recordings/{account}/{}/{recording}.{extension}.age", day(date)))
    }

    /// The key of a recording's transcript in its version `version`; `date` is the day the recording started, UTC.
    pub fn transcript(account: &AccountSid, recording: &RecordingSid, date: NaiveDate, version: u32) -> Self {
        ObjectKey(format!("transcripts/{account}/{}/{recording}.v{version}.json.age", day(date)))
    }

    /// The key as the store knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose recording it is.
    pub fn account_sid(&self) -> AccountSid {
        let account = self.0.split('/').nth(1).unwrap_or_default();
        account.parse().expect("every way to make a key checks its AccountSid")
    }

    /// Which recording's media or transcript it is.
    pub fn recording_sid(&self) -> RecordingSid {
        let name = self.0.rsplit('/').next().unwrap_or_default();
        let recording = name.split('.').next().unwrap_or_default();
        recording.parse().expect("every way to make a key checks its RecordingSid")
    }
}

const EXTENSION_MAX: usize = 8;

/// `YYYY/MM/DD`, in the years that have four digits.
fn day(date: NaiveDate) -> String {
    format!("{:04}/{:02}/{:02}", date.year().clamp(0, 9999), date.month(), date.day())
}

impl FromStr for ObjectKey {
    type Err = ObjectKeyError;

    fn from_str(text: &str) -> Result<Self, ObjectKeyError> {
        let parts: Vec<&str> = text.splitn(7, '/').collect();
        let [kind, account, year, month, day, name] = parts[..] else { return Err(ObjectKeyError) };
        let (recording, rest) = name.split_once('.').ok_or(ObjectKeyError)?;
        let middle = rest.strip_suffix(".age").ok_or(ObjectKeyError)?;
        let is_name = match kind {
            "recordings" => is_extension(middle),
            "transcripts" => is_transcript_version(middle),
            _ => false,
        };
        let is_sid = account.parse::<AccountSid>().is_ok() && recording.parse::<RecordingSid>().is_ok();
        if is_name && is_sid && is_day(year, month, day) { Ok(ObjectKey(text.to_owned())) } else { Err(ObjectKeyError) }
    }
}

fn is_extension(text: &str) -> bool {
    (1..=EXTENSION_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn is_transcript_version(text: &str) -> bool {
    let version = text.strip_prefix('v').and_then(|text| text.strip_suffix(".json"));
    // Written back, a number has no sign and no leading zero: one transcript has one key.
    version.is_some_and(|version| version.parse::<u32>().is_ok_and(|number| number.to_string() == version))
}

fn is_day(year: &str, month: &str, day: &str) -> bool {
    let is_padded = year.len() == 4 && month.len() == 2 && day.len() == 2;
    let is_digits = [year, month, day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    is_padded && is_digits && NaiveDate::parse_from_str(&format!("{year}-{month}-{day}"), "%Y-%m-%d").is_ok()
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

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
    const RECORDING: &str = "REfedcba9876543210fedcba9876543210";

    fn key_of(extension: &str) -> ObjectKey {
        let date = NaiveDate::from_ymd_opt(2026, 3, 9).unwrap();
        ObjectKey::recording(&ACCOUNT.parse().unwrap(), &RECORDING.parse().unwrap(), date, extension)
    }

    #[test]
    fn keys_follow_the_two_layouts() {
        let date = NaiveDate::from_ymd_opt(2026, 3, 9).unwrap();
        let transcript = ObjectKey::transcript(&ACCOUNT.parse().unwrap(), &RECORDING.parse().unwrap(), date, 12);
        assert_eq!(key_of("wav").as_str(), format!("recordings/{ACCOUNT}/2026/03/09/{RECORDING}.wav.age"));
        assert_eq!(transcript.as_str(), format!("transcripts/{ACCOUNT}/2026/03/09/{RECORDING}.v12.json.age"));
    }

    #[test]
    fn key_names_its_account_and_recording() {
        let key: ObjectKey = key_of("mp3").to_string().parse().unwrap();
        assert_eq!((key.account_sid().as_str(), key.recording_sid().as_str()), (ACCOUNT, RECORDING));
    }

    #[test]
    fn odd_extension_or_year_still_makes_a_valid_key() {
        for extension in ["../../etc/passwd", "", "/", "WAV", "\0", "x".repeat(300).as_str()] {
            assert_eq!(key_of(extension).to_string().parse(), Ok(key_of(extension)), "{extension:?}");
        }
        let key = ObjectKey::transcript(&ACCOUNT.parse().unwrap(), &RECORDING.parse().unwrap(), NaiveDate::MAX, 1);
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn anything_but_the_two_layouts_is_refused() {
        let good = key_of("wav").to_string();
        let transcript = good.replace("recordings/", "transcripts/");
        let wrong = [
            String::new(),
            format!("/{good}"),
            format!("{good}/"),
            format!("../{good}"),
            good.replace("2026/03/09", "2026/03/.."),
            good.replace("2026/03/09", "2026/3/9"),
            good.replace("2026/03/09", "2026/02/30"),
            good.replace("2026/03/09", "+026/03/09"),
            good.replace("recordings", ".unfinished"),
            good.replace(ACCOUNT, ".."),
            good.replace(RECORDING, "..%2f"),
            good.replace(".wav", ".WAV"),
            good.replace(".wav", ".w\0v"),
            good.replace(".wav", ".a/../b"),
            good.replace(".age", ""),
            transcript.clone(),
            transcript.replace(".wav", ".v01.json"),
            transcript.replace(".wav", ".v-1.json"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<ObjectKey>(), Err(ObjectKeyError), "{text:?}");
        }
    }
}
