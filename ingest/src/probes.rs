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

use crate::config::MetricsPage;
use crate::outlet::Outlet;
use crate::problem::problem;

/// For each thing that is asked.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether something could be used now, with a note where that is not all there is to say.
type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>> + Send + Sync>;

/// What `/readyz` asks and `/metrics` shows.
#[derive(Clone)]
pub struct Probes {
    needs: Vec<(&'static str, Check)>,
    metrics_page: Option<MetricsPage>,
}

impl Probes {
    /// Ready once `outlet` could take a job.
    pub fn new(outlet: impl Into<Outlet>, metrics_page: Option<MetricsPage>) -> Self {
        let outlet = outlet.into();
        let check: Check = Arc::new(move || {
            let outlet = outlet.clone();
            Box::pin(async move { outlet.check().await })
        });
        Self { needs: vec![("the queue", check)], metrics_page }
    }

    /// Ready only when `check` succeeds, too. What it says goes to whoever asks: no secrets.
    #[must_use]
    pub fn need<F>(mut self, what: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || {
            let checking = check();
            Box::pin(async move { checking.await.map(|()| None) })
        });
        self.needs.push((what, check));
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

/// 200 where the process could do its work now, with what is worth knowing; 503, and why, where not.
async fn readyz(State(probes): State<Probes>) -> Response {
    let mut body = "ready\n".to_owned();
    for (what, check) in &probes.needs {
        let why = match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
            Ok(Ok(note)) => {
                body.extend(note.map(|note| note + "\n"));
                continue;
            }
            Ok(Err(error)) => format!("{what} cannot be used: {error}"),
            Err(_) => format!("{what} did not answer within {} s", CHECK_TIMEOUT.as_secs()),
        };
        return problem(StatusCode::SERVICE_UNAVAILABLE, &why);
    }
    body.into_response()
}

/// The Prometheus page, where one was given.
async fn metrics(State(probes): State<Probes>) -> Response {
    match &probes.metrics_page {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page()).into_response(),
        None => problem(StatusCode::NOT_FOUND, "this process collects no metrics"),
    }
}
