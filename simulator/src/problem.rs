//! Twilio's errors: JSON where the path says `.json`, XML elsewhere.

use std::fmt::Write;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// One of Twilio's errors: <https://www.twilio.com/docs/api/errors>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: String,
    pub(crate) retry_after_secs: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_secs: None }
    }

    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 20404, format!("The requested resource {path} was not found"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 20003, "Authenticate")
    }

    pub(crate) fn throttled(retry_after_secs: Option<u64>) -> Self {
        Self { retry_after_secs, ..Self::new(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests") }
    }

    /// 500 with 20500, or 503 with 20503.
    pub(crate) fn server_error(status: u16, retry_after_secs: Option<u64>) -> Self {
        if status == 503 {
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, 20503, "Service Unavailable");
            return Self { retry_after_secs, ..problem };
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 20500, "An internal server error has occurred")
    }

    pub(crate) fn response(&self, as_json: bool) -> Response<Body> {
        let (content_type, body) =
            if as_json { ("application/json;charset=utf-8", self.json()) } else { ("application/xml", self.xml()) };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Twilio API\""));
        }
        if let Some(secs) = self.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    fn json(&self) -> String {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": self.more_info(),
            "status": self.status.as_u16(),
        })
        .to_string()
    }

    pub(crate) fn xml(&self) -> String {
        format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Code>{}</Code>\
             <Message>{}</Message><MoreInfo>{}</MoreInfo><Status>{}</Status></RestException></TwilioResponse>",
            self.code,
            escaped(&self.message),
            self.more_info(),
            self.status.as_u16()
        )
    }

    fn more_info(&self) -> String {
        format!("https://www.twilio.com/docs/errors/{}", self.code)
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => drop(write!(out, "&#{};", u32::from(c))),
            c => out.push(c),
        }
        out
    })
}
