//! The connections: how many, how slow they may be, and how they end.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use queue::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::config::{IngestConfig, MetricsPage};
use crate::outlet::Outlet;
use crate::routes::router;

/// Largest request head; with the body's bound it bounds what one connection can hold in memory.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Of so many places one must be free for a connection to be kept after its answer.
const FREE_PLACES_ONE_IN: usize = 4;
/// A pause after a failed accept: out of file descriptors, most likely, and connections have to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there may be and how slow each may be, so that slow clients cannot exhaust the service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the listener's backlog.
    pub connections: usize,
    /// The time a new connection has to send its first request's head.
    pub first_request: Duration,
    /// The time between one answer and the end of the next request's head. Longer than the usual proxies keep an idle
    /// connection (60 s), so that it is never us who close one that a proxy is about to use. While fewer than a quarter
    /// of the places are free, an answer ends its connection instead.
    pub idle: Duration,
    /// The time a peer may leave a part of an answer unread.
    pub unread: Duration,
    /// The time requests under way have to finish after a shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    /// 900 connections (below the usual limit of 1024 open files), 10 s, 75 s, 10 s, 10 s.
    fn default() -> Self {
        Self {
            connections: 900,
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            unread: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves [`router`] on `listener` with the default [`Limits`] until `shutdown`, and drains a spool meanwhile and a moment
/// longer.
///
/// # Errors
/// As [`serve`].
pub async fn run(
    config: IngestConfig,
    outlet: impl Into<Outlet>,
    clock: Clock,
    metrics_page: Option<MetricsPage>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let outlet = outlet.into();
    let app = router(config, outlet.clone(), clock, metrics_page);
    let ended = CancellationToken::new();
    let serving = async {
        let served = serve(app, listener, Limits::default(), shutdown).await;
        ended.cancel();
        served
    };
    let (served, ()) = tokio::join!(serving, outlet.drain(ended.clone()));
    served
}

/// Serves `app` on `listener` until `shutdown`; then accepts no more, lets requests under way finish within
/// [`Limits::drain`], and cuts off what is left. Dropped, it cuts off everything at once.
///
/// # Errors
/// None today: an accept that fails is logged and tried again.
pub async fn serve(app: Router, listener: TcpListener, limits: Limits, shutdown: CancellationToken) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    shutdown.run_until_cancelled(accept(app, &listener, limits, &places, &mut connections, &shutdown)).await;
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off: they did not finish in time");
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(
    app: Router,
    listener: &TcpListener,
    limits: Limits,
    places: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    // Nobody closes the semaphore, so this goes on until it is dropped.
    while let Ok(place) = Arc::clone(places).acquire_owned().await {
        // Keeps the set as small as the connections there are.
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                drop(connections.spawn(connection(stream, app.clone(), limits, shutdown.clone(), place)))
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// One connection from accept to end. That it breaks is the peer's affair: what was confirmed is queued.
async fn connection(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    shutdown: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.unread));
    let app = TowerToHyperService::new(app);
    let asked = CancellationToken::new();
    let are_places_scarce = || place.semaphore().available_permits() < limits.connections / FREE_PLACES_ONE_IN;
    let service = service_fn(|request: Request<Incoming>| {
        asked.cancel();
        let answering = app.call(request);
        async move {
            let mut answer = answering.await?;
            if are_places_scarce() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        () = silence(&asked, limits.first_request) => return,
        () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// Ends when nobody asked in time; never, when somebody did.
async fn silence(asked: &CancellationToken, patience: Duration) {
    if tokio::time::timeout(patience, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}
