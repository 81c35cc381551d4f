//! `callvault worker` as a process: its health and metrics.

use std::net::TcpListener;

use crate::fleet::{Fleet, call, free_port, until};

/// A fleet whose workers show their health and metrics at the URL.
async fn fleet() -> (Fleet, String) {
    let mut fleet = Fleet::new().await;
    let address = format!("127.0.0.1:{}", free_port());
    fleet.set("METRICS_ADDR", address.clone());
    (fleet, format!("http://{address}"))
}

/// Status and body; status 0 where nobody answers.
async fn get(url: &str) -> (u16, String) {
    match reqwest::get(url).await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
        Err(_) => (0, String::new()),
    }
}

async fn until_ready(url: &str) {
    until("the worker is ready", async || get(&format!("{url}/readyz")).await.0 == 200).await;
}

/// A recording that only Twilio knows, queued by one pass of reconcile.
fn one_job(fleet: &Fleet) {
    fleet.twilio.add_recording(call(0));
    assert_eq!(fleet.json(&["reconcile"])[0]["published"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_shows_what_it_did_as_metrics() {
    let (fleet, url) = fleet().await;
    let _working = fleet.start(&["worker"]);
    until_ready(&url).await;
    assert_eq!(get(&format!("{url}/healthz")).await, (200, "ok\n".to_owned()));
    one_job(&fleet);
    fleet.settled(1, &["transcribed"]).await;
    let bytes = fleet.show(fleet.twilio.recordings()[0].recording_sid.as_str())["media"]["bytes"].clone();
    let expected = [
        r#"callvault_jobs_total{stage="archive",outcome="done"} 1"#.to_owned(),
        r#"callvault_jobs_total{stage="transcribe",outcome="done"} 1"#.to_owned(),
        r#"callvault_queue_depth{stage="archive"} 0"#.to_owned(),
        r#"callvault_dead_letters{stage="purge"} 0"#.to_owned(),
        r#"callvault_retention_overdue 0"#.to_owned(),
        format!(r#"callvault_media_bytes_total{{direction="archived"}} {bytes}"#),
        r#"callvault_job_duration_seconds_count{stage="archive"} 1"#.to_owned(),
        r#"callvault_twilio_requests_total{endpoint="media",status="200"} 1"#.to_owned(),
        "callvault_callback_to_archived_seconds_count 1".to_owned(),
        "callvault_callback_to_transcript_seconds_count 1".to_owned(),
    ];
    until("the page shows the two jobs", async || {
        let (status, page) = get(&format!("{url}/metrics")).await;
        let has = |line: &String| page.lines().any(|present| present == line);
        status == 200 && expected.iter().all(has)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_with_a_period_shows_its_health_and_metrics() {
    let (fleet, url) = fleet().await;
    let _sweeping = fleet.start(&["reconcile", "--every", "1s"]);
    until_ready(&url).await;
    until("the page shows Twilio's list", async || {
        let (status, page) = get(&format!("{url}/metrics")).await;
        status == 200 && page.contains(r#"callvault_twilio_requests_total{endpoint="list",status="200"}"#)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_whose_queue_is_away_is_alive_and_not_ready() {
    let (fleet, url) = fleet().await;
    let _working = fleet.start(&["worker", "--stages", "archive"]);
    until_ready(&url).await;
    let (queue, away) = (fleet.folder.path().join("queue.db"), fleet.folder.path().join("away.db"));
    std::fs::rename(&queue, &away).unwrap();
    let (status, problem) = get(&format!("{url}/readyz")).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("the queue cannot be used") && problem.contains("is gone"), "{problem}");
    assert_eq!(get(&format!("{url}/healthz")).await.0, 200);
    std::fs::rename(&away, &queue).unwrap();
    until_ready(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_takes_no_callbacks() {
    let (fleet, url) = fleet().await;
    let _working = fleet.start(&["worker"]);
    until_ready(&url).await;
    let (status, problem) = get(&format!("{url}/webhooks/recording")).await;
    assert_eq!(status, 404);
    assert!(problem.contains("/healthz, /readyz and /metrics are here"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_that_finds_the_default_port_taken_works_all_the_same() {
    let mut fleet = Fleet::new().await;
    fleet.set("METRICS_ADDR", "");
    let taken = std::sync::OnceLock::new();
    // Other tests start processes that take it for a while.
    until("the port is ours", async || TcpListener::bind("0.0.0.0:3001").is_ok_and(|bound| taken.set(bound).is_ok()))
        .await;
    let _working = fleet.start(&["worker"]);
    one_job(&fleet);
    fleet.settled(1, &["transcribed"]).await;
    let log = fleet.log();
    assert!(log.contains("0.0.0.0:3001 is taken") && log.contains("METRICS_ADDR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_that_finds_the_chosen_port_taken_says_so_and_ends() {
    let mut fleet = Fleet::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    fleet.set("METRICS_ADDR", taken.local_addr().unwrap().to_string());
    let output = fleet.ended(&["worker"]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("set METRICS_ADDR to another"), "{told}");
}
