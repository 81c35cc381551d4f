//! Which path leads where.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use queue::Clock;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::{Ingest, IngestConfig, MetricsPage};
use crate::form::BODY_BYTES_MAX;
use crate::outcome::{is_callback, observe};
use crate::outlet::Outlet;
use crate::probes::{self, Probes};
use crate::problem::problem;
use crate::refusal::Refusal;
use crate::{callback, transcription};

/// The service's routes over `outlet`. `clock` tells when a callback was received; `metrics_page` is what `/metrics`
/// shows.
pub fn router(
    config: IngestConfig,
    outlet: impl Into<Outlet>,
    clock: Clock,
    metrics_page: Option<MetricsPage>,
) -> Router {
    let outlet = outlet.into();
    let probes = Probes::new(outlet.clone(), metrics_page);
    let ingest = Arc::new(Ingest::new(config, outlet, clock));
    let routes = || webhooks().merge(probes::routes(probes.clone()));
    let at_root = routes();
    let routes = match ingest.public_url.path() {
        "" => at_root,
        // For a proxy that leaves the public URL's path on: nesting takes it off.
        path => at_root.without_v07_checks().nest(path, routes()),
    };
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(observe))
        .with_state(ingest)
}

/// `/healthz`, `/readyz` and `/metrics` alone, for a role that takes no callbacks.
pub fn probes_router(probes: Probes) -> Router {
    probes::routes(probes)
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such route: /healthz, /readyz and /metrics are here"))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
}

fn webhooks() -> Router<Arc<Ingest>> {
    // The webhooks take any method here because they refuse the wrong ones themselves: such a callback is lost, so it
    // is counted and logged.
    Router::new()
        .route("/webhooks/recording", any(callback::recording))
        .route("/webhooks/voice/status", any(callback::call_progress))
        .route("/webhooks/transcription/{provider}", any(transcription::result))
}

/// A callback that comes here is lost, so it is counted and logged; anything else is not.
async fn no_such_route(request: Request) -> Response {
    if is_callback(&request) {
        return Refusal::NoSuchRoute.into_response();
    }
    problem(StatusCode::NOT_FOUND, &Refusal::NoSuchRoute.to_string())
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "this route takes GET and HEAD")
}

/// The panic itself is in the log already, by the panic hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Refusal::Panicked.into_response()
}
