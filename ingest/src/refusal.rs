//! Why a callback is refused, in words that help an operator.

use std::error::Error;

use axum::http::StatusCode;
use axum::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use queue::QueueError;
use twilio::{CallbackError, SignatureError};

use crate::form::{BODY_BYTES_MAX, BODY_TIMEOUT};
use crate::outcome::Outcome;
use crate::problem::problem;

/// Soon: Twilio's own retries have to fit into its 15 seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");

/// Why a callback is refused. Its text is the problem's `detail`: it names the setting to look at, and never holds a
/// parameter's value or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "no such route: Twilio's callbacks go to /webhooks/recording and /webhooks/voice/status, without a slash at the \
         end"
    )]
    NoSuchRoute,
    #[error("this route takes {0}")]
    Method(&'static str),
    #[error("the body is over {} KiB: no callback of Twilio's is", BODY_BYTES_MAX / 1024)]
    TooLarge,
    #[error("the body is not a form: a callback comes as application/x-www-form-urlencoded")]
    NotAForm,
    #[error("the body did not arrive within {} s", BODY_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("{}", signature_detail(.error, .url))]
    Signature { error: SignatureError, url: String },
    #[error("{0}")]
    Malformed(CallbackError),
    #[error("the queue cannot take the callback now: send it again")]
    Unavailable(#[source] QueueError),
    #[error("the queue did not confirm the callback in time: send it again")]
    Unconfirmed,
    #[error("no transcription provider of this version calls back: results are fetched when they are ready")]
    NoProvider,
    #[error("the service failed to handle the request: its log says more")]
    Panicked,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Signature { .. } => StatusCode::FORBIDDEN,
            Self::BrokenOff | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) | Self::Unconfirmed => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoProvider | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The value of the metric's `outcome`.
    fn outcome(&self) -> &'static str {
        match self {
            Self::NoSuchRoute => "no_such_route",
            Self::Method(_) => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::NotAForm => "not_a_form",
            Self::TooSlow | Self::BrokenOff => "incomplete",
            Self::Signature { .. } => "bad_signature",
            Self::Malformed(_) => "malformed",
            Self::Unavailable(_) | Self::Unconfirmed => "unavailable",
            Self::NoProvider => "no_provider",
            Self::Panicked => "panicked",
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            Self::Unavailable(_) | Self::Unconfirmed => Some((RETRY_AFTER, RETRY_AFTER_SECS)),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let mut response = problem(self.status(), &detail);
        response.headers_mut().extend(self.header());
        // What is behind a refusal is for the log, not for the caller.
        let cause = self.source().map(|source| format!("{detail}: {source}")).unwrap_or(detail);
        response.extensions_mut().insert(Outcome::refused(self.outcome(), cause));
        response
    }
}

fn signature_detail(error: &SignatureError, url: &str) -> String {
    match error {
        SignatureError::Missing => "X-Twilio-Signature is missing: only requests signed by Twilio are taken".to_owned(),
        SignatureError::UnknownAccount => {
            "AccountSid is missing or not an account this service is set up for: check TWILIO_ACCOUNT_SID and \
             TWILIO_SUBACCOUNTS"
                .to_owned()
        }
        SignatureError::UnknownKey => {
            "the key named in X-Twilio-Webhooks-Signature-Settings is not configured: check TWILIO_SHARED_KEYS"
                .to_owned()
        }
        SignatureError::UnsupportedAlgorithm => {
            "the algorithm named in X-Twilio-Webhooks-Signature-Settings is not supported: use HMAC_SHA256".to_owned()
        }
        SignatureError::BodyHash => "the body does not have the SHA-256 its URL tells in bodySHA256".to_owned(),
        SignatureError::Mismatch => format!(
            "X-Twilio-Signature does not match. It was checked over {url}: if Twilio is set to another URL, correct \
             PUBLIC_BASE_URL (scheme, host, port and path as Twilio sees them); if that is the URL, check \
             TWILIO_AUTH_TOKEN"
        ),
    }
}
