//! `POST /webhooks/transcription/{provider}`: a transcriber's asynchronous result.
//!
//! No provider of this version calls back: each answers the request that carries the media. One that does gets its arm
//! here, by the name in the path, with its own check of who is calling; what it brings goes on as a job.

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;

/// Tells the caller that nothing waits for it.
pub(crate) async fn result(request: Request) -> Response {
    match *request.method() {
        Method::POST => Refusal::NoProvider.into_response(),
        _ => Refusal::Method("POST").into_response(),
    }
}
