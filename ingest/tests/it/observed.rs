//! Metrics and log lines.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use futures::FutureExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use queue::Clock;
use tempfile::TempDir;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::*;

/// The router alone: recorder and subscriber are this thread's, and so is then all that is handled.
async fn router() -> (axum::Router, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let queue = open_queue(&folder).await;
    (callvault_ingest::router(Setup::default().config(), queue, Clock::manual(now()), None), folder)
}

fn http(callback: &Callback) -> Request<Body> {
    let signature = callback.signature.clone().unwrap_or_else(|| callback.right_signature());
    Request::post(callback.target.as_str())
        .header("Content-Type", callback.content_type)
        .header("X-Twilio-Signature", signature)
        .body(Body::from(callback.encoded()))
        .unwrap()
}

fn forged() -> Callback {
    Callback { token: "wrong", ..Callback::call_progress() }
}

#[tokio::test]
async fn callbacks_are_counted_by_outcome_and_timed() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (router, _folder) = router().await;
    for callback in [Callback::recording(), Callback::recording(), Callback::call_progress(), forged()] {
        router.clone().oneshot(http(&callback)).await.unwrap();
    }
    for target in ["/healthz", "/nothing"] {
        router.clone().oneshot(Request::get(target).body(Body::empty()).unwrap()).await.unwrap();
    }
    let page = page.render();
    for line in [
        r#"callvault_callbacks_total{outcome="accepted"} 2"#,
        r#"callvault_callbacks_total{outcome="no_recording"} 1"#,
        r#"callvault_callbacks_total{outcome="bad_signature"} 1"#,
        "callvault_callback_duration_seconds_count 4",
    ] {
        assert!(page.lines().any(|present| present == line), "{line} in\n{page}");
    }
}

/// A wrong path at Twilio would lose every callback without a trace.
#[tokio::test]
async fn callback_to_no_route_is_counted_and_other_lost_visitors_are_not() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (router, _folder) = router().await;
    let signed = Request::get("/webhook/recording").header("X-Twilio-Signature", "x").body(Body::empty()).unwrap();
    let slash = Callback { target: "/webhooks/recording/".to_owned(), ..Callback::recording() };
    for (request, is_callback) in [(signed, 1), (http(&slash), 2), (Request::get("/").body(Body::empty()).unwrap(), 2)]
    {
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 404);
        let line = format!(r#"callvault_callbacks_total{{outcome="no_such_route"}} {is_callback}"#);
        assert!(page.render().contains(&line), "{line} in\n{}", page.render());
    }
}

#[tokio::test]
async fn callback_whose_sender_hung_up_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (router, _folder) = router().await;
    let endless = Body::from_stream(futures::stream::pending::<io::Result<axum::body::Bytes>>());
    let request = Request::post("/webhooks/recording").header("Content-Type", FORM).body(endless).unwrap();
    assert!(router.oneshot(request).now_or_never().is_none());
    let line = r#"callvault_callbacks_total{outcome="unanswered"} 1"#;
    assert!(page.render().contains(line), "{}", page.render());
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// All that is logged, at any level, while the callbacks are handled.
async fn logged(callbacks: &[Callback]) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(lines.clone());
    let (router, _folder) = router().await;
    let _subscribed = tracing::subscriber::set_default(subscriber.finish());
    for callback in callbacks {
        router.clone().oneshot(http(callback)).await.unwrap();
    }
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The log's lines about callbacks.
fn of_ingest(logged: &str) -> Vec<serde_json::Value> {
    let lines = logged.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &serde_json::Value| line["target"].as_str().unwrap().starts_with("callvault_ingest")).collect()
}

#[tokio::test]
async fn accepted_callback_is_one_line_with_its_sids() {
    let lines = of_ingest(&logged(&[Callback::recording()]).await);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let fields = &lines[0]["fields"];
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(fields["outcome"], "accepted");
    assert_eq!(fields["account.sid"], ACCOUNT);
    assert_eq!(fields["call.sid"], CALL);
    assert_eq!(fields["recording.sid"], RECORDING);
}

#[tokio::test]
async fn refused_callback_is_one_warning_that_says_why() {
    let lines = of_ingest(&logged(&[Callback::recording().with("RecordingSid", "REsult\nforged line")]).await);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((lines[0]["level"].as_str(), lines[0]["fields"]["outcome"].as_str()), (Some("WARN"), Some("malformed")));
    assert!(lines[0]["fields"]["why"].as_str().unwrap().contains("RecordingSid"), "{lines:?}");
    assert!(lines[0]["fields"].get("recording.sid").is_none());
}

#[tokio::test]
async fn phone_numbers_tokens_and_signatures_are_not_logged() {
    let with_numbers = Callback::recording().with("From", "+14158675309").with("RecordingSid", "+14158675309");
    let secret_query = Callback { target: "/webhooks/recording?secret=hunter2".into(), ..forged() };
    let callbacks = [Callback::recording(), Callback::call_progress(), forged(), with_numbers, secret_query];
    let logged = logged(&callbacks).await;
    assert_eq!(of_ingest(&logged).len(), callbacks.len());
    let signatures = callbacks.iter().map(Callback::right_signature);
    let secrets = ["4158675309", "8005551212", "hunter2", TOKEN].map(str::to_owned);
    for secret in secrets.into_iter().chain(signatures) {
        assert!(!logged.contains(&secret), "{secret} in\n{logged}");
    }
}
