//! Verifies a callback, reads it, queues it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use queue::Job;
use tracing::Instrument;
use twilio::{AccountSid, Params, Recording, SignedRequest};

use crate::config::Ingest;
use crate::form::Form;
use crate::outcome::{Outcome, Subject};
use crate::refusal::Refusal;

/// `recordingStatusCallback`, of any status: each recording anyone told us of becomes a row.
pub(crate) async fn recording(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    answer(&ingest, request, |params| twilio::recording_callback(params).map(Some).map_err(Refusal::Malformed)).await
}

/// Call progress: queued where it tells of a recording.
pub(crate) async fn call_progress(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let parse = |params: &Params| match twilio::call_progress_callback(params) {
        Ok(progress) => Ok(progress.recording),
        Err(error) => Err(Refusal::Malformed(error)),
    };
    answer(&ingest, request, parse).await
}

/// 200 with an empty body once the recording that `parse` finds is queued, or there is none; a refusal otherwise.
async fn answer(
    ingest: &Ingest,
    request: Request,
    parse: impl Fn(&Params) -> Result<Option<Recording>, Refusal>,
) -> Response {
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal.into_response(),
    };
    let subject = Subject::of(&form.params);
    let mut response = match accept(ingest, &form, parse).instrument(subject.span()).await {
        Ok(outcome) => outcome.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    response.extensions_mut().insert(subject);
    response
}

async fn accept(
    ingest: &Ingest,
    form: &Form,
    parse: impl Fn(&Params) -> Result<Option<Recording>, Refusal>,
) -> Result<Outcome, Refusal> {
    verify(ingest, form)?;
    let Some(recording) = parse(&form.params)? else {
        return Ok(Outcome::accepted("no_recording"));
    };
    publish(ingest, recording).await?;
    Ok(Outcome::accepted("accepted"))
}

fn verify(ingest: &Ingest, form: &Form) -> Result<(), Refusal> {
    // Names the key to check with; nobody vouches for it until the signature has.
    let account_sid = form.params.get("AccountSid").and_then(|sid| sid.parse::<AccountSid>().ok());
    let signed = SignedRequest {
        url: &ingest.public_url.signed(&form.requested),
        params: form.signed_params(),
        body: &form.body,
        account_sid: account_sid.as_ref(),
        signature: form.header("X-Twilio-Signature"),
        settings: form.header("X-Twilio-Webhooks-Signature-Settings"),
    };
    twilio::verify(&signed, &ingest.signing_keys)
        .map_err(|error| Refusal::Signature { error, url: ingest.public_url.shown(&form.requested) })
}

/// Returns once the queue, or the spool before it, confirmed. A publish that ran out of time may still happen: Twilio is told to send the
/// callback again, and twice is harmless.
async fn publish(ingest: &Ingest, recording: Recording) -> Result<(), Refusal> {
    let job = Job::ArchiveV1 { recording, received_at: ingest.clock.now(), is_backfill: false };
    match tokio::time::timeout(ingest.publish_timeout, ingest.outlet.publish(&job)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Refusal::Unavailable(error)),
        Err(_) => Err(Refusal::Unconfirmed),
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}
