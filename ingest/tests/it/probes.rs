//! `/healthz`, `/readyz`, `/metrics`, and a handler that panics.

use std::sync::Arc;

use callvault_ingest::{Limits, Probes};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::*;
use crate::raw_http::{exchange, request};

#[tokio::test]
async fn probes_answer_get_and_head() {
    let service = Setup { metrics_page: Some(Arc::new(|| "up 1\n".to_owned())), ..Setup::default() }.start().await;
    for (target, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/metrics", "up 1\n")] {
        let answer = service.get(target).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{target}");
        let head = exchange(service.address, &request("HEAD", target, &[], b"")).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{target}");
        let length = body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{target}");
    }
}

#[tokio::test]
async fn metrics_page_has_the_type_prometheus_asks_for() {
    let service = Setup { metrics_page: Some(Arc::new(String::new)), ..Setup::default() }.start().await;
    let answer = service.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[tokio::test]
async fn without_metrics_there_is_no_page() {
    let service = start().await;
    let answer = service.get("/metrics").await;
    assert_eq!(answer.status, 404);
    answer.detail();
}

#[tokio::test]
async fn panic_is_an_answer_and_the_service_goes_on() {
    let service =
        Setup { metrics_page: Some(Arc::new(|| panic!("asked for by the test"))), ..Setup::default() }.start().await;
    let answer = service.get("/metrics").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.detail().contains("asked for"), "{answer:?}");
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
}

/// The probes alone, as a worker shows them, with a second thing that it needs.
async fn of_a_worker(second: Result<(), &'static str>) -> (std::net::SocketAddr, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let probes = Probes::new(open_queue(&folder).await, Some(Arc::new(|| "up 1\n".to_owned())));
    let probes = probes.need("the catalog", move || async move { second.map_err(str::to_owned) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = callvault_ingest::probes_router(probes);
    tokio::spawn(callvault_ingest::serve(app, listener, Limits::default(), CancellationToken::new()));
    (address, folder)
}

#[tokio::test]
async fn probes_alone_answer_and_take_nothing_else() {
    let (address, _folder) = of_a_worker(Ok(())).await;
    for (method, target, status) in [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/healthz", 405),
        ("POST", "/webhooks/recording", 404),
    ] {
        let answer = exchange(address, &request(method, target, &[], b"")).await;
        assert_eq!(answer.status, status, "{method} {target}");
        if status >= 400 {
            answer.detail();
        }
    }
}

#[tokio::test]
async fn whatever_a_process_needs_makes_it_not_ready() {
    let (address, _folder) = of_a_worker(Err("it is on fire")).await;
    let answer = exchange(address, &request("GET", "/readyz", &[], b"")).await;
    assert_eq!((answer.status, answer.detail()), (503, "the catalog cannot be used: it is on fire".to_owned()));
}
