//! What the simulated transcribers have in common: keys, faults, and being counted.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, Response};
use secrecy::ExposeSecret;

use crate::counters::{Gauge, InFlight};
use crate::state::{State, locked};

/// What is said of audio that cannot be read.
pub(crate) const NO_AUDIO: &str = "Bad Request: failed to process audio: corrupt or unsupported data";

/// Why there is no transcript.
#[derive(Debug)]
pub(crate) enum Refusal {
    Unauthorized,
    BadRequest(String),
    TooLarge,
    /// A fault that was asked for.
    Fault {
        status: u16,
        retry_after_secs: Option<u64>,
    },
    /// The upload ended before its end.
    CutOff,
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::BadRequest(_) => 400,
            Self::TooLarge => 413,
            Self::Fault { status, .. } => *status,
            Self::CutOff => 400,
        }
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::Fault { status: 429 | 503, retry_after_secs: Some(secs) } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(*secs));
        }
        headers
    }
}

/// One transcription request, counted from its begin to its end.
pub(crate) struct Turn {
    state: Arc<State>,
    endpoint: &'static str,
    _in_flight: InFlight,
}

impl Turn {
    pub(crate) fn begin(state: &Arc<State>, endpoint: &'static str) -> Self {
        state.tally.request(endpoint);
        Self { state: Arc::clone(state), endpoint, _in_flight: state.tally.begin(Gauge::Transcriber) }
    }

    /// The delay and the errors in force.
    pub(crate) async fn faults(&self) -> Result<(), Refusal> {
        let (delay, retry_after_secs, error) = {
            let mut injector = locked(&self.state.injector);
            let faults = injector.faults();
            let (delay, retry_after) = (Duration::from_millis(faults.transcriber_delay_ms), faults.retry_after_secs);
            (delay, retry_after, injector.transcriber_error())
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match error {
            Some(400) => Err(Refusal::BadRequest(NO_AUDIO.to_owned())),
            Some(status) => Err(Refusal::Fault { status, retry_after_secs }),
            None => Ok(()),
        }
    }

    pub(crate) fn end(self, response: Response<Body>) -> Response<Body> {
        self.state.tally.response(self.endpoint, response.status().as_u16());
        response
    }
}

impl State {
    /// Any key will do unless one was set.
    pub(crate) fn accepts_transcriber_key(&self, given: Option<&str>) -> bool {
        match (locked(&self.transcriber_key).as_ref(), given) {
            (Some(key), Some(given)) => key.expose_secret() == given,
            (Some(_), None) => false,
            (None, given) => given.is_some(),
        }
    }
}
