//! The owner's system that takes deliveries, and knows each by its `webhook-id`, as docs/delivery.md asks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// As the Standard Webhooks libraries have it.
const TIMESTAMP_TOLERANCE_SECS: u64 = 300;

#[derive(Default)]
struct State {
    /// How often each was taken.
    taken: BTreeMap<String, u32>,
    posts: u32,
    refuses_every: Option<u32>,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> anyhow::Result<Receiver> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, state) = (listener.local_addr()?, Arc::new(Mutex::new(State::default())));
        let shared = Arc::clone(&state);
        let router = Router::new().route("/hook", post(move |headers| async move { take(&shared, &headers) }));
        let serving = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Receiver { address, state, serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// 500 to every n-th post.
    pub(crate) fn refuse_every(&self, every: Option<u32>) {
        self.state.lock().unwrap().refuses_every = every;
    }

    /// The ids of all that was taken.
    pub(crate) fn taken(&self) -> BTreeMap<String, u32> {
        self.state.lock().unwrap().taken.clone()
    }
}

fn take(state: &Mutex<State>, headers: &HeaderMap) -> StatusCode {
    let mut state = state.lock().unwrap();
    state.posts += 1;
    if state.refuses_every.is_some_and(|every| state.posts.is_multiple_of(every)) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    #[expect(clippy::disallowed_methods, reason = "a system of its own, with the right time")]
    let now = chrono::Utc::now().timestamp();
    let is_fresh = |at: i64| at.abs_diff(now) <= TIMESTAMP_TOLERANCE_SECS;
    if !header("webhook-timestamp").and_then(|at| at.parse().ok()).is_some_and(is_fresh) {
        return StatusCode::BAD_REQUEST;
    }
    let id = header("webhook-id").unwrap_or("none");
    *state.taken.entry(id.to_owned()).or_default() += 1;
    StatusCode::OK
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
