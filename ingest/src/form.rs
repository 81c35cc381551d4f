//! Reads a callback within bounds: method, size, type, then the body.

use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use twilio::Params;

use crate::refusal::Refusal;

/// Largest body a callback may have. Twilio's have about a kilobyte.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The time a body has to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A callback as it came: nothing of it is checked yet but its form.
pub(crate) struct Form {
    /// Raw path and query, below the public base URL's path.
    pub(crate) requested: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the body of a POST, from the query of a GET.
    pub(crate) params: Params,
    pub(crate) is_post: bool,
}

impl Form {
    /// Reads `request`. The signature is over what was received, so nothing is normalised here.
    pub(crate) async fn read(request: Request) -> Result<Self, Refusal> {
        let is_post = match *request.method() {
            Method::POST => true,
            Method::GET => false,
            _ => return Err(Refusal::Method("GET, POST")),
        };
        let requested = request.uri().path_and_query().map_or("/", |requested| requested.as_str()).to_owned();
        let headers = request.headers().clone();
        if !is_post {
            let params = Params::from_query(request.uri().query().unwrap_or_default());
            return Ok(Self { requested, headers, body: Bytes::new(), params, is_post });
        }
        let body = read_body(request).await?;
        let params = Params::from_form(&body);
        Ok(Self { requested, headers, body, params, is_post })
    }

    /// The parameters that are signed one by one: those of the body. A query is signed with its URL.
    pub(crate) fn signed_params(&self) -> &[(String, String)] {
        if self.is_post { &self.params.0 } else { &[] }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn read_body(request: Request) -> Result<Bytes, Refusal> {
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Refusal::TooLarge);
    }
    if !is_form(request.headers()) {
        return Err(Refusal::NotAForm);
    }
    // Bounded by the router's DefaultBodyLimit, whether or not the request told its length.
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::BrokenOff),
        Err(_) => Err(Refusal::TooSlow),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
