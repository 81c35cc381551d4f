//! Recordings as JSON: one, or page by page.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use reqwest::Response;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::client::Client;
use crate::error::{TwilioError, TwilioErrorKind, chunk};
use crate::recording::{EncryptionDetails, Recording};
use crate::request::Endpoint;
use crate::sid::{AccountSid, RecordingSid};

/// Twilio's maximum; more is error 20007.
const PAGE_SIZE: u32 = 1000;
/// A page of 1,000 is about 1 MB.
const BODY_BYTES_MOST: usize = 16 << 20;

#[derive(Deserialize)]
struct Page {
    /// Read one by one: an odd one must not hide the others.
    recordings: Vec<Value>,
    next_page_uri: Option<String>,
}

/// The resource, as tolerant as its history asks for: every field may be null, numbers may be strings. Only whose it is
/// and which one it is must be right.
#[derive(Deserialize)]
struct Row {
    account_sid: AccountSid,
    sid: RecordingSid,
    #[serde(default, deserialize_with = "lenient")]
    call_sid: Option<crate::CallSid>,
    #[serde(default, deserialize_with = "lenient")]
    conference_sid: Option<crate::ConferenceSid>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    channels: Option<u8>,
    #[serde(default, deserialize_with = "lenient")]
    duration: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    start_time: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    date_created: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_code: Option<u32>,
    #[serde(default)]
    encryption_details: Value,
}

/// Null, a number, or text that holds one; what cannot be read counts as unknown.
fn lenient<'de, T: std::str::FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Ok(None),
    };
    Ok(text.parse().ok())
}

impl From<Row> for Recording {
    fn from(row: Row) -> Recording {
        let started = row.start_time.or(row.date_created);
        Recording {
            account_sid: row.account_sid,
            recording_sid: row.sid,
            call_sid: row.call_sid,
            conference_sid: row.conference_sid,
            status: row.status.unwrap_or_default().into(),
            source: row.source,
            channels: row.channels,
            duration_secs: row.duration,
            started_at: started.and_then(|text| Some(DateTime::parse_from_rfc2822(&text).ok()?.to_utc())),
            error_code: row.error_code.filter(|code| *code != 0),
            encryption: EncryptionDetails::in_json(row.encryption_details),
        }
    }
}

pub(crate) async fn recording(response: Response, patience: Duration) -> Result<Recording, TwilioError> {
    Ok(parsed::<Row>(response, patience).await?.into())
}

/// `None`, with a line in the log, where it does not say which recording of whom it is.
fn listed(row: Value) -> Option<Recording> {
    let sid = row.get("sid").and_then(|sid| sid.as_str()?.parse::<RecordingSid>().ok());
    let read = serde_json::from_value::<Row>(row).ok();
    if read.is_none() {
        let sid = sid.as_ref().map(RecordingSid::as_str);
        tracing::warn!(recording.sid = sid, "skipped a recording in Twilio's list: its SIDs cannot be read");
    }
    read.map(Recording::from)
}

/// One by one, as [`RecordingPages`] reads them.
pub(crate) fn recordings(pages: RecordingPages) -> BoxStream<'static, Result<Recording, TwilioError>> {
    let pages = stream::try_unfold(pages, |mut pages| async move {
        let page = pages.next().await?;
        Ok::<_, TwilioError>(page.map(|page| (stream::iter(page.into_iter().map(Ok)), pages)))
    });
    pages.try_flatten().boxed()
}

/// An account's list, a page of up to 1,000 recordings at a time. Holds no more than the SIDs of one page.
pub struct RecordingPages {
    client: Client,
    account: AccountSid,
    next: Option<String>,
    /// Where pages were, so that a list that leads back to one of them ends.
    asked: HashSet<String>,
    /// What the last page held.
    last: HashSet<RecordingSid>,
}

impl RecordingPages {
    pub(crate) fn new(
        client: Client,
        account: AccountSid,
        since: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> RecordingPages {
        let next = Some(first_page(&account, since, until));
        RecordingPages { client, account, next, asked: HashSet::new(), last: HashSet::new() }
    }

    /// The next page; `None` after the last. New recordings push older ones onto the next page: what one page back held is
    /// left out. After an error the same page is asked for again; Twilio may no longer know where it was, if that was long
    /// ago.
    pub async fn next(&mut self) -> Result<Option<Vec<Recording>>, TwilioError> {
        let Some(uri) = self.next.clone() else { return Ok(None) };
        let url = self.client.join(&uri)?;
        if self.asked.contains(&uri) {
            let why = "a list that leads back to a page already read";
            return Err(TwilioError::new(TwilioErrorKind::Transient, why));
        }
        let (response, _permit) = self.client.send(Endpoint::List, &self.account, url, None).await?;
        let page: Page = parsed(response, self.client.config.request_timeout).await?;
        self.asked.insert(uri);
        self.next = page.next_page_uri.filter(|uri| !uri.is_empty());
        let mut recordings: Vec<_> = page.recordings.into_iter().filter_map(listed).collect();
        let sids = recordings.iter().map(|recording| recording.recording_sid.clone()).collect();
        let before = std::mem::replace(&mut self.last, sids);
        recordings.retain(|recording| !before.contains(&recording.recording_sid));
        Ok(Some(recordings))
    }
}

impl std::fmt::Debug for RecordingPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingPages").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Whole days: sub-day precision is not promised. Twilio takes a day as its midnight (GMT), so an inclusive last day is
/// `<` the day after.
fn first_page(account: &AccountSid, since: Option<NaiveDate>, until: Option<NaiveDate>) -> String {
    let mut path = format!("/2010-04-01/Accounts/{account}/Recordings.json?PageSize={PAGE_SIZE}");
    if let Some(since) = since {
        path.push_str(&format!("&DateCreated%3E={since}"));
    }
    if let Some(after) = until.and_then(|until| until.succ_opt()) {
        path.push_str(&format!("&DateCreated%3C={after}"));
    }
    path
}

async fn parsed<T: serde::de::DeserializeOwned>(mut response: Response, patience: Duration) -> Result<T, TwilioError> {
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut response, patience).await? {
        if body.len() + chunk.len() > BODY_BYTES_MOST {
            return Err(TwilioError::new(TwilioErrorKind::Rejected, "an answer of more than 16 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    // A page that cannot be read is not the recordings' fault: it is asked for again.
    serde_json::from_slice(&body).map_err(|error| {
        TwilioError::new(TwilioErrorKind::Transient, format!("an answer that is not as documented ({error})"))
    })
}
