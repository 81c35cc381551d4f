//! Accepts connections and serves them until told to stop, then ends them all: whoever is connected sees a host vanish.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::state::State;
use crate::{control, deepgram, openai, rest};

/// Serves until `stop`; returns when every connection is gone.
pub(crate) async fn run(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let router =
        rest::routes().merge(deepgram::routes()).merge(openai::routes()).merge(control::routes()).with_state(state);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone()))),
                // Out of file descriptors, most likely: connections have to end before more can begin.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// One connection. That it breaks is the peer's affair, or a fault that was asked for.
async fn serve(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}
