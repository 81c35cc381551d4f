//! The simulator's own routes under `/simulator`, for whoever runs it as a separate process. No authentication.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::faults::Injector;
use crate::state::{CallbackTarget, State, locked};
use crate::{CallPlan, CallbackPlan, Counters, Faults, MediaPlan, SOURCES, SimulatedRecording, calls};

/// `/simulator/…` and `/healthz`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/simulator/calls", post(place_call))
        .route("/simulator/callback", post(set_callback))
        .route("/simulator/faults", get(faults).post(set_faults))
        .route("/simulator/counters", get(counters).delete(reset_counters))
        .route("/simulator/recordings", get(recordings).post(add_recordings))
}

/// A [`CallPlan`] as JSON: only `index` is required; the rest is as [`CallPlan::nth`] has it, starting now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallRequest {
    index: u64,
    media: Option<MediaPlan>,
    source: Option<String>,
    is_conference: Option<bool>,
    started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    callbacks: CallbackPlan,
}

impl CallRequest {
    /// `None`: no such source.
    fn plan(self, now: DateTime<Utc>) -> Option<CallPlan> {
        let mut plan = CallPlan::nth(self.index, self.started_at.unwrap_or(now));
        if let Some(source) = self.source {
            plan.source = SOURCES.iter().find(|known| **known == source)?;
        }
        plan.media = self.media.unwrap_or(plan.media);
        plan.is_conference = self.is_conference.unwrap_or(false);
        plan.callbacks = self.callbacks;
        Some(plan)
    }
}

/// Answers when the callbacks are done.
async fn place_call(Shared(state): Shared<Arc<State>>, Json(request): Json<CallRequest>) -> impl IntoResponse {
    match request.plan(state.now()) {
        Some(plan) => Json(calls::place(&state, &state.account_sid, &plan).await).into_response(),
        None => {
            let problem = json!({ "detail": format!("source: must be one of {}", SOURCES.join(", ")) });
            (StatusCode::BAD_REQUEST, Json(problem)).into_response()
        }
    }
}

/// An old account: so many recordings, spread evenly over so many days before now, of which nobody is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PastRequest {
    /// Their indices begin at 0.
    count: u32,
    days: u32,
    /// As [`CallPlan::nth`] has it where it is left out.
    media: Option<MediaPlan>,
}

async fn add_recordings(Shared(state): Shared<Arc<State>>, Json(request): Json<PastRequest>) -> StatusCode {
    let distance = TimeDelta::days(request.days.into()) / i32::try_from(request.count).unwrap_or(i32::MAX).max(1);
    let mut started_at = state.now();
    for index in 0..request.count.into() {
        started_at -= distance;
        let plan = CallPlan::nth(index, started_at);
        calls::add(&state, &state.account_sid, &CallPlan { media: request.media.unwrap_or(plan.media), ..plan });
    }
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallbackRequest {
    public_url: String,
    target: Option<SocketAddr>,
}

async fn set_callback(Shared(state): Shared<Arc<State>>, Json(request): Json<CallbackRequest>) -> StatusCode {
    let Ok(public_url) = request.public_url.parse::<Url>() else {
        return StatusCode::BAD_REQUEST;
    };
    *locked(&state.callback) = Some(CallbackTarget { public_url, target: request.target });
    StatusCode::NO_CONTENT
}

async fn faults(Shared(state): Shared<Arc<State>>) -> Json<Faults> {
    Json(locked(&state.injector).faults().clone())
}

async fn set_faults(Shared(state): Shared<Arc<State>>, Json(faults): Json<Faults>) -> StatusCode {
    *locked(&state.injector) = Injector::new(faults);
    StatusCode::NO_CONTENT
}

async fn counters(Shared(state): Shared<Arc<State>>) -> Json<Counters> {
    Json(state.tally.look())
}

async fn reset_counters(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.tally.reset();
    StatusCode::NO_CONTENT
}

/// Hashing gigabytes of synthetic media takes seconds, so it is done off the runtime.
async fn recordings(Shared(state): Shared<Arc<State>>) -> Result<Json<Vec<SimulatedRecording>>, StatusCode> {
    let truth = tokio::task::spawn_blocking(move || calls::truth(&state)).await;
    truth.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
