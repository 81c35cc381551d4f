//! What the HTTP providers share: one exchange with bounded time and size, and what a refusal means.

mod answer;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::{FaultKind, TranscriberError};
pub(crate) use answer::Answer;

/// A day of speech with every word's time is under 40 MB of JSON.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const REFUSAL_BYTES_MAX: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Long requests say nothing for minutes; keep-alive probes tell a busy peer from one that is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);
const PROBE_TIME_LIMIT: Duration = Duration::from_secs(15);
const EXPLANATION_CHARS_MAX: usize = 200;

/// A transcription service, as one configured client of it.
pub(crate) struct Peer {
    /// Its name in error messages.
    name: &'static str,
    /// The setting that holds its key, for advice.
    key_setting: &'static str,
    key: Option<SecretString>,
    /// The key as it is sent.
    authorization: Option<HeaderValue>,
    client: Client,
}

impl Peer {
    /// A client of the service; `key` comes with the scheme that goes before it in the Authorization header.
    pub(crate) fn new(
        name: &'static str,
        key_setting: &'static str,
        key: Option<(SecretString, &'static str)>,
    ) -> Result<Self, TranscriberError> {
        let authorization = key.as_ref().map(|(key, scheme)| authorization(key, scheme)).transpose().map_err(|_| {
            let message = format!("{key_setting} holds characters that no key has: set it anew");
            TranscriberError::new(FaultKind::Unauthorized, message)
        })?;
        // No redirects: the media can be sent only once, and the key goes to the configured host alone. A connection
        // for each exchange: on one that is used again, what a peer says unasked would be taken for another recording's
        // answer.
        let client = Client::builder()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(KEEPALIVE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                TranscriberError::new(FaultKind::Unauthorized, "the HTTP client can't be set up").with_source(error)
            })?;
        Ok(Self { name, key_setting, key: key.map(|(key, _)| key), authorization, client })
    }

    /// A request with our credentials.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Asks for `url` to see that the service is there and takes the key. Where it has no such route (compatible and
    /// self-hosted servers), being reached is enough.
    pub(crate) async fn probe(&self, url: Url) -> Result<(), TranscriberError> {
        let answer = self.exchange(self.request(Method::GET, url), PROBE_TIME_LIMIT).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// Sends the request and reads the whole answer within `limit`. Any status is an answer.
    pub(crate) async fn exchange(&self, request: RequestBuilder, limit: Duration) -> Result<Answer, TranscriberError> {
        let response = request.timeout(limit).send().await.map_err(|error| self.broken(error, limit))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.read(response, limit).await?;
        Ok(Answer { status, headers, body })
    }

    async fn read(&self, mut response: Response, limit: Duration) -> Result<Vec<u8>, TranscriberError> {
        let is_success = response.status().is_success();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error, limit))? {
            body.extend_from_slice(&chunk);
            if !is_success && body.len() >= REFUSAL_BYTES_MAX {
                break;
            }
            if body.len() > ANSWER_BYTES_MAX {
                let message = format!("{} answered with more than {} MiB", self.name, ANSWER_BYTES_MAX >> 20);
                return Err(TranscriberError::new(FaultKind::Rejected, message));
            }
        }
        Ok(body)
    }

    /// No whole answer came: the peer, the network or the media's own source broke off.
    fn broken(&self, error: reqwest::Error, limit: Duration) -> TranscriberError {
        let message = if error.is_timeout() && !error.is_connect() {
            format!("{} did not answer within {} s", self.name, limit.as_secs())
        } else if error.is_connect() {
            format!("{} can't be reached", self.name)
        } else {
            format!("the exchange with {} broke off", self.name)
        };
        TranscriberError::new(FaultKind::Transient, message).with_source(error.without_url())
    }

    /// What a status other than 2xx means.
    pub(crate) fn refusal(&self, answer: &Answer) -> TranscriberError {
        let status = answer.status;
        let kind = match status.as_u16() {
            300..=399 | 401..=403 => FaultKind::Unauthorized,
            429 if answer.code().as_deref() == Some("insufficient_quota") => FaultKind::Unauthorized,
            429 => FaultKind::Throttled,
            408 | 500..=599 => FaultKind::Transient,
            _ => FaultKind::Rejected,
        };
        let advice = match status.as_u16() {
            300..=399 => ": it redirects, which is not followed; set its URL to where it really is".to_owned(),
            402 | 429 if kind == FaultKind::Unauthorized => ": the account is out of credit".to_owned(),
            401..=403 => format!(": check {}", self.key_setting),
            413 => ": the recording is larger than it takes; archive as mp3, or use another provider".to_owned(),
            _ => String::new(),
        };
        let message = format!("{} answered {status}{}{advice}", self.name, self.details(answer));
        TranscriberError::new(kind, message).with_retry_after(answer.retry_after())
    }

    /// An answer of 2xx that can't be read. What serde says of it may quote the transcript, so only the place is told.
    pub(crate) fn unreadable(&self, error: &serde_json::Error) -> TranscriberError {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "ends in the middle",
            serde_json::error::Category::Data => "is not a transcription",
            _ => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        let message = format!("{}'s answer {what} (line {line} column {column})", self.name);
        TranscriberError::new(FaultKind::Transient, message)
    }

    /// Code, explanation and request id of a refusal, as far as it gives them. Refusals of a key may quote it: of
    /// those only the code is told.
    fn details(&self, answer: &Answer) -> String {
        let explanation = match answer.status.as_u16() {
            401..=403 => None,
            _ => answer.explanation().map(|text| self.redacted(&text)),
        };
        let request_id = answer.request_id().map(|id| format!("request {id}"));
        let details: Vec<String> =
            [answer.code().map(|code| self.redacted(&code)), explanation, request_id].into_iter().flatten().collect();
        if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) }
    }

    fn redacted(&self, text: &str) -> String {
        let text = match &self.key {
            Some(key) if !key.expose_secret().is_empty() => text.replace(key.expose_secret(), "[key]"),
            _ => text.to_owned(),
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXPLANATION_CHARS_MAX).collect()
    }
}

fn authorization(key: &SecretString, scheme: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {}", key.expose_secret()))?;
    value.set_sensitive(true);
    Ok(value)
}
