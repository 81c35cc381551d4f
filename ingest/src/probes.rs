//! What an orchestrator and Prometheus ask.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::config::Ingest;
use crate::problem::problem;

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// 200: the process is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 where a callback could be queued now; 503, and why, where not.
pub(crate) async fn readyz(State(ingest): State<Arc<Ingest>>) -> Response {
    let why = match tokio::time::timeout(CHECK_TIMEOUT, ingest.queue.check()).await {
        Ok(Ok(())) => return "ready\n".into_response(),
        Ok(Err(error)) => format!("the queue cannot take jobs: {error}"),
        Err(_) => format!("the queue did not answer within {} s", CHECK_TIMEOUT.as_secs()),
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, &why)
}

/// The Prometheus page, where one was given.
pub(crate) async fn metrics(State(ingest): State<Arc<Ingest>>) -> Response {
    match &ingest.metrics_page {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page()).into_response(),
        None => problem(StatusCode::NOT_FOUND, "this process collects no metrics"),
    }
}
