//! One metric and one log line for each callback.

use std::time::Instant;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use twilio::{AccountSid, CallSid, Params, RecordingSid, mask_phone_number};

/// What became of a callback; rides on the response to [`observe`]. A response without one answered no callback.
#[derive(Clone)]
pub(crate) struct Outcome {
    label: &'static str,
    refusal: Option<String>,
}

impl Outcome {
    pub(crate) fn accepted(label: &'static str) -> Self {
        Self { label, refusal: None }
    }

    pub(crate) fn refused(label: &'static str, why: String) -> Self {
        Self { label, refusal: Some(why) }
    }
}

/// Whom a callback is about: all of its parameters that may be logged. Of a refused callback it is merely what was
/// claimed, but always a well-formed SID, and numbers are masked.
#[derive(Clone, Default)]
pub(crate) struct Subject {
    account: Option<AccountSid>,
    call: Option<CallSid>,
    recording: Option<RecordingSid>,
    from: Option<String>,
    to: Option<String>,
}

impl Subject {
    pub(crate) fn of(params: &Params) -> Self {
        Self {
            account: params.get("AccountSid").and_then(|sid| sid.parse().ok()),
            call: params.get("CallSid").and_then(|sid| sid.parse().ok()),
            recording: params.get("RecordingSid").and_then(|sid| sid.parse().ok()),
            from: params.get("From").map(mask_phone_number),
            to: params.get("To").map(mask_phone_number),
        }
    }

    /// The first span of the recording's trace: what is queued in it continues it.
    pub(crate) fn span(&self) -> tracing::Span {
        let (call, recording) = (self.call.as_ref(), self.recording.as_ref());
        tracing::info_span!(
            "callback",
            call.sid = call.map(CallSid::as_str),
            recording.sid = recording.map(RecordingSid::as_str)
        )
    }
}

/// Counts and logs a callback that is dropped before it is answered: whoever sent it has hung up.
struct Unanswered {
    is_callback: bool,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.is_callback {
            metrics::counter!("callvault_callbacks_total", "outcome" => "unanswered").increment(1);
            tracing::warn!(outcome = "unanswered", "callback dropped: its sender hung up before it was answered");
        }
    }
}

/// Counts, times and logs the callback that `request` is.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut unanswered = Unanswered { is_callback: is_callback(&request) };
    let mut response = next.run(request).await;
    unanswered.is_callback = false;
    let Some(outcome) = response.extensions_mut().remove::<Outcome>() else {
        return response;
    };
    metrics::counter!("callvault_callbacks_total", "outcome" => outcome.label).increment(1);
    metrics::histogram!("callvault_callback_duration_seconds").record(started.elapsed());
    log(&outcome, &response.extensions_mut().remove().unwrap_or_default());
    response
}

/// Whether `request` was meant as a callback, wherever it went.
pub(crate) fn is_callback(request: &Request) -> bool {
    request.method() == Method::POST || request.headers().contains_key("X-Twilio-Signature")
}

fn log(outcome: &Outcome, subject: &Subject) {
    let account = subject.account.as_ref().map(AccountSid::as_str);
    let call = subject.call.as_ref().map(CallSid::as_str);
    let recording = subject.recording.as_ref().map(RecordingSid::as_str);
    let (from, to) = (subject.from.as_deref(), subject.to.as_deref());
    match &outcome.refusal {
        None => tracing::info!(
            outcome = outcome.label,
            account.sid = account,
            call.sid = call,
            recording.sid = recording,
            from,
            to,
            "callback accepted"
        ),
        Some(why) => tracing::warn!(
            outcome = outcome.label,
            account.sid = account,
            call.sid = call,
            recording.sid = recording,
            from,
            to,
            why,
            "callback refused"
        ),
    }
}
