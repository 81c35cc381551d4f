//! What can go wrong with the REST API, in the words that decide what to do about it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

/// Longest error body that is read.
const BODY_BYTES_MOST: usize = 64 << 10;
const RETRY_AFTER_LEAST: Duration = Duration::from_secs(1);
const RETRY_AFTER_MOST: Duration = Duration::from_secs(3600);

/// What to do about a [`TwilioError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwilioErrorKind {
    /// Time-outs, resets, 5xx: try again.
    Transient,
    /// 429: slow down.
    Throttled,
    /// It will not work as it is.
    Rejected,
    /// 401, 403: credentials are wrong, of another region, or not enough.
    Unauthorized,
    /// 404.
    NotFound,
}

/// A request to Twilio that failed.
#[derive(Debug, thiserror::Error)]
#[error("Twilio: {message}")]
pub struct TwilioError {
    /// What to do about it.
    pub kind: TwilioErrorKind,
    /// Twilio's own error code (20404, …), where it gave one.
    pub code: Option<u32>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How long Twilio asked to wait: from a second to an hour, whatever it asked.
    pub retry_after: Option<Duration>,
    message: String,
    #[source]
    source: Option<reqwest::Error>,
}

impl TwilioError {
    pub(crate) fn new(kind: TwilioErrorKind, message: impl Into<String>) -> Self {
        TwilioError { kind, code: None, status: None, retry_after: None, message: message.into(), source: None }
    }

    /// Not asked, for the account's limits: they let it through after that time at the earliest, where that is known.
    pub(crate) fn held_up(retry_after: Option<Duration>) -> Self {
        let why = "not asked: the account's other requests are first (fewer at once, if Twilio said 429)";
        TwilioError { retry_after, ..TwilioError::new(TwilioErrorKind::Throttled, why) }
    }

    /// An answer that nothing can be done with, whatever its body says.
    pub(crate) fn unusable(kind: TwilioErrorKind, response: &Response, message: impl Into<String>) -> Self {
        TwilioError { status: Some(response.status().as_u16()), ..TwilioError::new(kind, message) }
    }

    /// Nothing came back, or not all of it.
    pub(crate) fn transport(message: &str, error: reqwest::Error) -> Self {
        TwilioError { source: Some(error.without_url()), ..TwilioError::new(TwilioErrorKind::Transient, message) }
    }

    /// An answer that is no success. Reads at most 64 KiB of it.
    pub(crate) async fn answered(response: Response, patience: Duration) -> Self {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut message = format!("status {}", status.as_u16());
        // Twilio's support asks for it.
        let request = response.headers().get("twilio-request-id").and_then(|id| Some(id.to_str().ok()?.to_owned()));
        let told = Told::parse(&read_some(response, patience).await);
        message.extend(told.code.map(|code| format!(", code {code}")));
        message.extend(request.map(|id| format!(", request {id}")));
        message.extend(told.message.map(|text| format!(": {}", text.chars().take(200).collect::<String>())));
        TwilioError {
            code: told.code,
            status: Some(status.as_u16()),
            retry_after,
            ..TwilioError::new(kind(status, told.code), message)
        }
    }

    /// The same from the host that media were led to: it says nothing of our credentials nor of the account's limits.
    pub(crate) fn of_another_host(self) -> Self {
        match self.kind {
            TwilioErrorKind::Unauthorized | TwilioErrorKind::Throttled => {
                TwilioError { kind: TwilioErrorKind::Transient, ..self }
            }
            _ => self,
        }
    }
}

/// Codes first: they are more exact than the status (`https://www.twilio.com/docs/api/errors`).
fn kind(status: StatusCode, code: Option<u32>) -> TwilioErrorKind {
    match (code, status.as_u16()) {
        (Some(20003 | 20004 | 20005 | 20006 | 20403), _) => TwilioErrorKind::Unauthorized,
        (Some(20404), _) => TwilioErrorKind::NotFound,
        (Some(20429), _) => TwilioErrorKind::Throttled,
        (Some(20009 | 20409), _) => TwilioErrorKind::Transient,
        (_, 401 | 403) => TwilioErrorKind::Unauthorized,
        (_, 404) => TwilioErrorKind::NotFound,
        (_, 429) => TwilioErrorKind::Throttled,
        (_, 408 | 409 | 425 | 500..) => TwilioErrorKind::Transient,
        _ => TwilioErrorKind::Rejected,
    }
}

/// RFC 9110, 10.2.3: seconds or a date.
#[expect(clippy::disallowed_methods, reason = "the last resort for an answer that does not say when it was written")]
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let until = |date: &str| -> Option<DateTime<Utc>> { Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc()) };
    let wait = match text.parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => RETRY_AFTER_MOST,
        // Against the answer's own date, where it has one: the two clocks need not agree.
        Err(_) => {
            let answered_at = headers.get("date").and_then(|date| until(date.to_str().ok()?)).unwrap_or_else(Utc::now);
            (until(text)? - answered_at).to_std().unwrap_or_default()
        }
    };
    Some(wait.clamp(RETRY_AFTER_LEAST, RETRY_AFTER_MOST))
}

/// The next piece of a body; an error where none comes within `patience`. The time that the caller takes between two
/// pieces does not count.
pub(crate) async fn chunk(response: &mut Response, patience: Duration) -> Result<Option<Bytes>, TwilioError> {
    match tokio::time::timeout(patience, response.chunk()).await {
        Ok(read) => read.map_err(|error| TwilioError::transport("the answer broke off", error)),
        Err(_) => Err(TwilioError::new(TwilioErrorKind::Transient, "the answer fell silent")),
    }
}

async fn read_some(mut response: Response, patience: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = chunk(&mut response, patience).await {
        body.extend_from_slice(&chunk);
        if body.len() >= BODY_BYTES_MOST {
            body.truncate(BODY_BYTES_MOST);
            break;
        }
    }
    body
}

/// What an error body says, best effort: JSON, XML, or nothing that can be read.
#[derive(Deserialize, Default)]
struct Told {
    code: Option<u32>,
    message: Option<String>,
}

impl Told {
    fn parse(body: &[u8]) -> Told {
        if let Ok(told) = serde_json::from_slice(body) {
            return told;
        }
        let text = String::from_utf8_lossy(body);
        let tag = |name: &str| {
            let (_, after) = text.split_once(&format!("<{name}>"))?;
            Some(after.split_once(&format!("</{name}>"))?.0.to_owned())
        };
        Told { code: tag("Code").and_then(|code| code.parse().ok()), message: tag("Message") }
    }
}
