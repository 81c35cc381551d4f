//! Callbacks that are refused: each says why, and nothing of it is queued.

use callvault_ingest::{BODY_BYTES_MAX, BODY_TIMEOUT};
use futures::stream;
use queue::{Clock, Stage};
use tower::ServiceExt;

use crate::harness::*;
use crate::raw_http::{Answer, exchange, request};

/// The detail of the refusal of `raw`, which nothing was queued of.
async fn refusal(service: &Service, raw: &[u8], status: u16) -> (Answer, String) {
    let answer = exchange(service.address, raw).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(service.queued().await.is_empty());
    let detail = answer.detail();
    (answer, detail)
}

#[tokio::test]
async fn missing_signature_is_forbidden() {
    let service = start().await;
    let callback = Callback { signature: Some(String::new()), ..Callback::recording() };
    let (_, detail) = refusal(&service, &callback.request(), 403).await;
    assert!(detail.contains("X-Twilio-Signature is missing"), "{detail}");
}

#[tokio::test]
async fn wrong_signature_tells_the_url_that_was_checked_without_its_query() {
    let service = start().await;
    let mut callback = Callback { token: "wrong", ..Callback::recording() };
    callback.target = "/webhooks/recording?secret=hunter2".to_owned();
    let (_, detail) = refusal(&service, &callback.request(), 403).await;
    assert!(detail.contains("https://voice.example.com/webhooks/recording?…"), "{detail}");
    assert!(detail.contains("PUBLIC_BASE_URL"), "{detail}");
    assert!(!detail.contains("hunter2"), "{detail}");
}

#[tokio::test]
async fn parameter_changed_after_signing_is_forbidden() {
    let service = start().await;
    let signature = Some(Callback::recording().right_signature());
    let changed = Callback { signature, ..Callback::recording().with("RecordingDuration", "14") };
    refusal(&service, &changed.request(), 403).await;
}

#[tokio::test]
async fn unknown_account_is_forbidden() {
    let service = start().await;
    let stranger = Callback::recording().with("AccountSid", "ACffffffffffffffffffffffffffffffff");
    let (_, detail) = refusal(&service, &stranger.request(), 403).await;
    assert!(detail.contains("AccountSid"), "{detail}");
}

#[tokio::test]
async fn shared_key_that_is_not_configured_is_forbidden() {
    let service = start().await;
    let mut callback = Callback::recording();
    let settings = "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256".to_owned();
    callback.headers = vec![("X-Twilio-Webhooks-Signature-Settings", settings)];
    let (_, detail) = refusal(&service, &callback.request(), 403).await;
    assert!(detail.contains("TWILIO_SHARED_KEYS"), "{detail}");
}

#[tokio::test]
async fn missing_field_is_named() {
    let service = start().await;
    for field in ["RecordingSid", "RecordingStatus"] {
        let (_, detail) = refusal(&service, &Callback::recording().without(field).request(), 400).await;
        assert!(detail.contains(field), "{detail}");
    }
    let (_, detail) = refusal(&service, &Callback::call_progress().without("CallSid").request(), 400).await;
    assert!(detail.contains("CallSid"), "{detail}");
}

#[tokio::test]
async fn missing_or_malformed_account_is_named_where_there_is_but_one() {
    let service = Setup { accounts: vec![(ACCOUNT, TOKEN)], ..Setup::default() }.start().await;
    for callback in [Callback::recording().without("AccountSid"), Callback::recording().with("AccountSid", "AC123")] {
        let (_, detail) = refusal(&service, &callback.request(), 400).await;
        assert!(detail.contains("AccountSid"), "{detail}");
    }
}

#[tokio::test]
async fn malformed_field_is_named() {
    let service = start().await;
    for (field, value) in [("RecordingSid", "RE123"), ("CallSid", "not-a-sid")] {
        let (_, detail) = refusal(&service, &Callback::recording().with(field, value).request(), 400).await;
        assert!(detail.contains(field), "{detail}");
    }
}

#[tokio::test]
async fn other_methods_are_told_the_right_ones() {
    let service = start().await;
    for (target, allowed) in [
        ("/webhooks/recording", "GET, POST"),
        ("/webhooks/voice/status", "GET, POST"),
        ("/webhooks/transcription/deepgram", "POST"),
        ("/healthz", "GET,HEAD"),
    ] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            let (answer, _) = refusal(&service, &request(method, target, &[], b""), 405).await;
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn head_of_a_webhook_is_not_taken_for_a_callback() {
    let service = start().await;
    let mut callback = Callback::recording().by_get();
    callback.method = "HEAD";
    let answer = service.send(&callback).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
    assert!(service.queued().await.is_empty());
}

#[tokio::test]
async fn body_over_the_bound_is_too_large() {
    let service = start().await;
    let fits = Callback::recording().with("Padding", "");
    let padding = "x".repeat(BODY_BYTES_MAX - fits.encoded().len());
    let fits = fits.with("Padding", &padding);
    assert_eq!(service.send(&fits).await.status, 200);
    assert_eq!(service.queued().await.len(), 1);
    let over = fits.with("Padding", &format!("{padding}x"));
    let (_, detail) = refusal(&service, &over.request(), 413).await;
    assert!(detail.contains("64 KiB"), "{detail}");
}

#[tokio::test]
async fn body_announced_over_the_bound_is_not_waited_for() {
    let service = start().await;
    let headers = [("Content-Type", FORM), ("X-Twilio-Signature", "x")];
    let mut announced = String::from_utf8(request("POST", "/webhooks/recording", &headers, b"")).unwrap();
    announced = announced.replace("Content-Length: 0", "Content-Length: 1000000000");
    refusal(&service, announced.as_bytes(), 413).await;
}

#[tokio::test]
async fn chunked_body_over_the_bound_is_too_large() {
    let service = start().await;
    let headers = [("Content-Type", FORM), ("Transfer-Encoding", "chunked"), ("X-Twilio-Signature", "x")];
    let mut raw = request("POST", "/webhooks/recording", &headers, b"");
    // 8 KiB a chunk, one more than the bound holds, and no end.
    for _ in 0..=BODY_BYTES_MAX / 8192 {
        raw.extend_from_slice(format!("2000\r\n{}\r\n", "x".repeat(8192)).as_bytes());
    }
    refusal(&service, &raw, 413).await;
}

#[tokio::test]
async fn other_types_than_a_form_are_refused() {
    let service = start().await;
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let callback = Callback { content_type, ..Callback::recording() };
        let (_, detail) = refusal(&service, &callback.request(), 415).await;
        assert!(detail.contains(FORM), "{detail}");
    }
}

#[tokio::test]
async fn json_signed_with_its_hash_is_not_a_recording_callback() {
    let service = start().await;
    // Vector 11 of Twilio's own tests: the hash of this body.
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let mut callback = Callback { content_type: "application/json", ..Callback::recording() };
    callback.params.clear();
    callback.target = format!("/webhooks/recording?bodySHA256={hash}");
    refusal(&service, &callback.request_with_body(body), 415).await;
}

#[tokio::test]
async fn undecodable_bodies_are_refused_plainly() {
    let service = start().await;
    let account = format!("AccountSid={ACCOUNT}&RecordingSid=");
    for garbage in [&b"%ff%fe"[..], b"\xff\xfe", b"%zz", b"%", b"&&==&=%00"] {
        let body = [account.as_bytes(), garbage].concat();
        let answer = exchange(service.address, &Callback::recording().request_with_body(&body)).await;
        assert!([400, 403].contains(&answer.status), "{garbage:?}: {answer:?}");
        answer.detail();
    }
    assert_eq!(service.get("/healthz").await.status, 200);
    assert!(service.queued().await.is_empty());
}

#[tokio::test]
async fn unknown_route_is_not_found() {
    let service = start().await;
    for target in ["/", "/webhooks", "/webhooks/recording/", "/webhooks/recordings", "/.env"] {
        let (_, detail) = refusal(&service, &request("POST", target, &[("Content-Type", FORM)], b""), 404).await;
        assert!(detail.contains("/webhooks/recording"), "{detail}");
    }
}

#[tokio::test]
async fn transcription_result_finds_no_provider_that_calls_back() {
    let service = start().await;
    let (_, detail) = refusal(&service, &request("POST", "/webhooks/transcription/deepgram", &[], b"{}"), 404).await;
    assert!(detail.contains("no transcription provider"), "{detail}");
}

/// Time is tokio's here, so the ten seconds pass at once.
#[tokio::test]
async fn body_that_does_not_arrive_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open_queue(&folder).await;
    let router = callvault_ingest::router(Setup::default().config(), queue.clone(), Clock::manual(now()), None);
    let stalled = axum::body::Body::from_stream(stream::pending::<std::io::Result<Vec<u8>>>());
    let request = axum::http::Request::post("/webhooks/recording").header("Content-Type", FORM).body(stalled).unwrap();
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let response = router.oneshot(request).await.unwrap();
    let waited = started.elapsed();
    tokio::time::resume();
    assert_eq!(response.status(), 408);
    assert!(waited >= BODY_TIMEOUT && waited < BODY_TIMEOUT * 2, "{waited:?}");
    assert_eq!(queue.depth(Stage::Archive).await.unwrap().ready, 0);
}
