//! What an orchestrator and Prometheus ask of a process, whatever its role.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use queue::Queue;

use crate::config::MetricsPage;
use crate::problem::problem;

/// For each thing that is asked.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What `/readyz` asks and `/metrics` shows.
#[derive(Clone)]
pub struct Probes {
    needs: Vec<(&'static str, Check)>,
    metrics_page: Option<MetricsPage>,
}

impl Probes {
    /// Ready once `queue` could take a job.
    pub fn new(queue: Arc<dyn Queue>, metrics_page: Option<MetricsPage>) -> Self {
        let probes = Self { needs: Vec::new(), metrics_page };
        probes.need("the queue", move || {
            let queue = Arc::clone(&queue);
            async move { queue.check().await.map_err(|error| error.to_string()) }
        })
    }

    /// Ready only when `check` succeeds, too. What it says goes to whoever asks: no secrets.
    #[must_use]
    pub fn need<F>(mut self, what: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.needs.push((what, Arc::new(move || Box::pin(check()))));
        self
    }
}

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(probes: Probes) -> Router<S> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

/// 200: the process is alive.
async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 where the process could do its work now; 503, and why, where not.
async fn readyz(State(probes): State<Probes>) -> Response {
    for (what, check) in &probes.needs {
        let why = match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("{what} cannot be used: {error}"),
            Err(_) => format!("{what} did not answer within {} s", CHECK_TIMEOUT.as_secs()),
        };
        return problem(StatusCode::SERVICE_UNAVAILABLE, &why);
    }
    "ready\n".into_response()
}

/// The Prometheus page, where one was given.
async fn metrics(State(probes): State<Probes>) -> Response {
    match &probes.metrics_page {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page()).into_response(),
        None => problem(StatusCode::NOT_FOUND, "this process collects no metrics"),
    }
}
