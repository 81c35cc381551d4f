//! Slow clients and the end of the service.

use std::sync::Arc;
use std::time::Duration;

use callvault_ingest::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::*;
use crate::raw_http::answer;

const SOON: Duration = Duration::from_millis(200);
/// Far below any limit that is not the one under test.
const PATIENCE: Duration = Duration::from_secs(5);

async fn limited(limits: Limits) -> Service {
    Setup { limits, ..Setup::default() }.start().await
}

/// Waits until the service closes the connection; what it sent before is thrown away.
async fn closed(stream: &mut TcpStream) {
    let mut chunk = [0; 4096];
    let closing = async { while matches!(stream.read(&mut chunk).await, Ok(1..)) {} };
    timeout(PATIENCE, closing).await.expect("the connection should have been closed");
}

/// A connection whose request the service is reading the body of: it said so with 100 Continue.
async fn under_way(service: &Service, callback: &Callback) -> TcpStream {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let mut callback = callback.clone();
    callback.headers.push(("Expect", "100-continue".to_owned()));
    let request = callback.request();
    let body_length = callback.encoded().len();
    stream.write_all(&request[..request.len() - body_length]).await.unwrap();
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut interim).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"));
    stream
}

#[tokio::test]
async fn head_that_does_not_arrive_is_given_up() {
    let service = limited(Limits { first_request: SOON, ..Limits::default() }).await;
    for begun in ["", "POST /webhooks/recording HTTP/1.1\r\nHost: x\r\n"] {
        let mut slow = TcpStream::connect(service.address).await.unwrap();
        slow.write_all(begun.as_bytes()).await.unwrap();
        closed(&mut slow).await;
    }
}

#[tokio::test]
async fn connection_that_asks_nothing_more_is_closed() {
    let service = limited(Limits { idle: SOON, ..Limits::default() }).await;
    let mut idle = TcpStream::connect(service.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    closed(&mut idle).await;
}

#[tokio::test]
async fn connection_may_stay_idle_longer_than_it_may_be_silent_at_first() {
    let service = limited(Limits { first_request: SOON, ..Limits::default() }).await;
    let mut kept = TcpStream::connect(service.address).await.unwrap();
    let mut slow = TcpStream::connect(service.address).await.unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(ask).await.unwrap();
    closed(&mut slow).await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut both = String::new();
    kept.read_to_string(&mut both).await.unwrap();
    assert_eq!(both.matches("200 OK").count(), 2, "{both}");
}

#[tokio::test]
async fn slow_clients_cannot_take_every_place_for_long() {
    let service = limited(Limits { connections: 3, first_request: SOON, ..Limits::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        slow.push(TcpStream::connect(service.address).await.unwrap());
    }
    let answer = timeout(PATIENCE, service.send(&Callback::recording())).await.unwrap();
    assert_eq!(answer.status, 200);
}

/// One cheap request a minute must not hold a place for good.
#[tokio::test]
async fn idle_clients_cannot_take_every_place() {
    let service = limited(Limits { connections: 8, ..Limits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        idle.push(stream);
    }
    let answer = timeout(PATIENCE, service.send(&Callback::recording())).await.expect("no place is free");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn client_that_does_not_read_is_cut_off() {
    let page = "x".repeat(16 << 20);
    let limits = Limits { connections: 1, unread: SOON, ..Limits::default() };
    let metrics_page = Some(Arc::new(move || page.clone()) as callvault_ingest::MetricsPage);
    let service = Setup { limits, metrics_page, ..Setup::default() }.start().await;
    let mut greedy = TcpStream::connect(service.address).await.unwrap();
    greedy.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // The only place is taken until the service gives up on it.
    let answer = timeout(PATIENCE, service.send(&Callback::recording())).await.unwrap();
    assert_eq!(answer.status, 200);
    drop(greedy);
}

#[tokio::test]
async fn head_over_the_bound_is_refused() {
    let service = start().await;
    let mut callback = Callback::recording();
    callback.headers = vec![("X-Padding", "x".repeat(40 * 1024))];
    assert_eq!(service.send(&callback).await.status, 431);
    assert!(service.queued().await.is_empty());
}

#[tokio::test]
async fn request_under_way_is_finished_at_shutdown_and_no_other_is_accepted() {
    let service = start().await;
    let callback = Callback::recording();
    let mut begun = under_way(&service, &callback).await;
    let mut idle = TcpStream::connect(service.address).await.unwrap();
    service.shutdown.cancel();
    closed(&mut idle).await;
    let refused = async { while TcpStream::connect(service.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("connections should be refused");

    begun.write_all(callback.encoded().as_bytes()).await.unwrap();
    assert_eq!(answer(&mut begun).await.status, 200);
    assert_eq!(service.queued().await.len(), 1);
    timeout(PATIENCE, service.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let service = limited(Limits { drain: SOON, ..Limits::default() }).await;
    let mut stuck = under_way(&service, &Callback::recording()).await;
    service.shutdown.cancel();
    timeout(PATIENCE, service.serving).await.unwrap().unwrap().unwrap();
    closed(&mut stuck).await;
    assert!(take_all(service.queue.as_ref()).await.is_empty());
}

#[tokio::test]
async fn dropping_the_service_ends_its_connections() {
    let service = start().await;
    let mut begun = under_way(&service, &Callback::recording()).await;
    service.serving.abort();
    closed(&mut begun).await;
}
