//! A service's answer, and what its refusals say in common.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A whole answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The provider's own word for what is wrong: Deepgram's `err_code` or `category`, OpenAI's `error.code` or `type`.
    pub(crate) fn code(&self) -> Option<String> {
        self.first_text(&["/err_code", "/category", "/error/code", "/error/type"]).filter(|code| is_token(code))
    }

    /// The provider's sentence about what is wrong; `detail` is what FastAPI servers write.
    pub(crate) fn explanation(&self) -> Option<String> {
        self.first_text(&["/err_msg", "/message", "/error/message", "/error", "/detail"])
    }

    /// How long the service asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    pub(super) fn request_id(&self) -> Option<String> {
        let id = ["dg-request-id", "x-request-id"].iter().find_map(|name| self.headers.get(*name))?;
        id.to_str().ok().filter(|id| is_token(id)).map(str::to_owned)
    }

    fn first_text(&self, pointers: &[&str]) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        pointers.iter().find_map(|pointer| body.pointer(pointer)?.as_str()).map(str::to_owned)
    }
}

fn is_token(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain)
}

/// Retry-After (RFC 9110, 10.2.3): seconds or a date. A date counts from the answer's own Date, so that a clock that is
/// off does no harm.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => {
            let until = httpdate::parse_http_date(value).ok()?;
            let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}
