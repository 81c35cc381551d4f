//! Recording status callbacks, judged by Twilio's own validator.

use callvault_simulator::{CallPlan, CallbackPlan, MediaPlan};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::harness::{PUBLIC_URL, Received, Receiver, TOKEN, call, call_with, only_callback, python, start};

/// What the validator of the official library says of each.
async fn verdicts(url: &str, received: &[Received]) -> Vec<bool> {
    let callbacks: Vec<Value> =
        received.iter().map(|one| json!({ "body": one.body, "signature": one.header("X-Twilio-Signature") })).collect();
    let verdicts = python("validate.py", json!({ "token": TOKEN, "url": url, "callbacks": callbacks })).await;
    serde_json::from_value(verdicts).unwrap()
}

fn with_callbacks(callbacks: CallbackPlan) -> CallPlan {
    CallPlan { callbacks, ..call(0) }
}

fn statuses(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.field("RecordingStatus").unwrap()).collect()
}

#[tokio::test]
async fn callback_passes_the_official_validator() {
    let (received, planned) = only_callback(call(0)).await;
    assert_eq!(verdicts(PUBLIC_URL, &[received]).await, [true]);
    assert!(planned.callbacks[0].is_accepted());
}

#[tokio::test]
async fn callback_is_a_form_post_with_twilios_headers() {
    let (received, _) = only_callback(call(0)).await;
    assert_eq!((received.method.as_str(), received.path_and_query.as_str()), ("POST", "/webhooks/recording?tenant=t1"));
    assert_eq!(received.header("User-Agent"), "TwilioProxy/1.1");
    assert_eq!(received.header("Accept"), "*/*");
    assert_eq!(received.header("Content-Type"), "application/x-www-form-urlencoded; charset=UTF-8");
    assert_eq!(received.header("Host"), "voice.example.com");
    assert!(!received.header("I-Twilio-Idempotency-Token").is_empty());
}

/// The encoding of Twilio's own example: `+` for spaces, `%2B`, `%3A`, `%2F`.
#[tokio::test]
async fn completed_call_has_the_documented_fields() {
    let (received, planned) = only_callback(CallPlan { source: "DialVerb", ..call_with(0, MediaPlan::Clip(1)) }).await;
    assert_eq!(
        received.field_names(),
        [
            "AccountSid",
            "CallSid",
            "ErrorCode",
            "RecordingChannels",
            "RecordingDuration",
            "RecordingSid",
            "RecordingSource",
            "RecordingStartTime",
            "RecordingStatus",
            "RecordingTrack",
            "RecordingUrl",
        ]
    );
    assert!(
        received.body.contains("&RecordingStartTime=Tue%2C+24+Mar+2026+18%3A15%3A40+%2B0000&"),
        "{}",
        received.body
    );
    assert!(received.body.contains("&ErrorCode=0&RecordingChannels=2&RecordingDuration=5&"), "{}", received.body);
    let url = received.field("RecordingUrl").unwrap();
    assert_eq!(
        url,
        format!(
            "https://api.twilio.com/2010-04-01/Accounts/{}/Recordings/{}",
            planned.account_sid, planned.recording_sid
        )
    );
}

#[tokio::test]
async fn conference_has_no_call() {
    let (received, planned) = only_callback(CallPlan { source: "Conference", is_conference: true, ..call(0) }).await;
    assert_eq!(received.field("CallSid"), None);
    assert_eq!(received.field("ConferenceSid"), planned.conference_sid.map(|sid| sid.to_string()));
    assert_eq!(received.field("RecordingTrack"), None);
}

#[tokio::test]
async fn absent_and_failed_recordings_say_why_and_have_no_duration() {
    for (media, status, code) in
        [(MediaPlan::Absent { code: 16101 }, "absent", "16101"), (MediaPlan::Failed { code: 16104 }, "failed", "16104")]
    {
        let (received, _) = only_callback(call_with(0, media)).await;
        assert_eq!(received.field("RecordingStatus").as_deref(), Some(status));
        assert_eq!(received.field("ErrorCode").as_deref(), Some(code));
        assert_eq!(received.field("RecordingDuration"), None);
    }
}

#[tokio::test]
async fn encrypted_recording_brings_its_details() {
    let (received, _) = only_callback(call_with(0, MediaPlan::Encrypted)).await;
    let details: Value = serde_json::from_str(&received.field("EncryptionDetails").unwrap()).unwrap();
    assert_eq!(details["type"], "rsa-aes");
    assert!(details["public_key_sid"].as_str().unwrap().starts_with("CR"));
    // 256 bytes of an RSA-2048 block and 12 bytes of IV, in base64.
    assert_eq!(details["encrypted_cek"].as_str().unwrap().len(), 344);
    assert_eq!(details["iv"].as_str().unwrap().len(), 16);
    assert_eq!(verdicts(PUBLIC_URL, &[received]).await, [true]);
}

#[tokio::test]
async fn trunking_never_calls_back() {
    let simulator = start().await;
    let receiver = Receiver::accepting(&simulator).await;
    let planned = simulator.place_call(CallPlan { source: "Trunking", ..call(0) }).await;
    assert!(receiver.received().is_empty() && planned.callbacks.is_empty());
    assert_eq!(simulator.recordings()[0].status, "completed");
}

#[tokio::test]
async fn call_without_callbacks_is_silent() {
    let simulator = start().await;
    let receiver = Receiver::accepting(&simulator).await;
    simulator.place_call(with_callbacks(CallbackPlan { none: true, ..CallbackPlan::default() })).await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn duplicates_come_as_often_as_planned() {
    let simulator = start().await;
    let receiver = Receiver::accepting(&simulator).await;
    simulator.place_call(with_callbacks(CallbackPlan { duplicates: 3, ..CallbackPlan::default() })).await;
    let received = receiver.received();
    assert_eq!(statuses(&received), ["completed"; 4]);
    assert!(received.iter().all(|one| one.body == received[0].body));
    assert_eq!(simulator.counters().callbacks_accepted, 4);
}

#[tokio::test]
async fn in_progress_comes_before_or_after_completed_as_planned() {
    let simulator = start().await;
    let receiver = Receiver::accepting(&simulator).await;
    simulator.place_call(with_callbacks(CallbackPlan { also_in_progress: true, ..CallbackPlan::default() })).await;
    simulator.place_call(with_callbacks(CallbackPlan { out_of_order: true, ..CallbackPlan::default() })).await;
    let received = receiver.received();
    assert_eq!(statuses(&received), ["in-progress", "completed", "completed", "in-progress"]);
    assert_eq!(received[0].field("RecordingDuration"), None);
}

#[tokio::test]
async fn forged_callbacks_fail_the_official_validator_and_are_counted_when_refused() {
    let simulator = start().await;
    let receiver = Receiver::start(|_, one| if is_genuine(one) { 200 } else { 403 }).await;
    simulator.set_callback(PUBLIC_URL.parse().unwrap(), Some(receiver.address));
    let planned = simulator.place_call(with_callbacks(CallbackPlan { forged: true, ..CallbackPlan::default() })).await;

    let received = receiver.received();
    assert_eq!(verdicts(PUBLIC_URL, &received).await, [false, false, true]);
    assert_ne!(received[1].field("RecordingSid"), Some(planned.recording_sid.to_string()));
    let counters = simulator.counters();
    assert_eq!((counters.callbacks_forged, counters.callbacks_refused), (2, 2));
    assert_eq!((counters.callbacks_sent, counters.callbacks_accepted), (1, 1));
}

fn is_genuine(callback: &Received) -> bool {
    let params: Vec<_> = form_urlencoded::parse(callback.body.as_bytes()).into_owned().collect();
    let token = SecretString::from(TOKEN);
    twilio::sign(PUBLIC_URL, &params, &token, twilio::Algorithm::HmacSha1) == callback.header("X-Twilio-Signature")
}

#[tokio::test]
async fn failing_callback_is_retried_until_it_is_taken() {
    let simulator = start().await;
    let receiver = Receiver::start(|before, _| if before < 2 { 503 } else { 200 }).await;
    simulator.set_callback(format!("{PUBLIC_URL}#rc=5&rp=5xx").parse().unwrap(), Some(receiver.address));
    let planned = simulator.place_call(call(0)).await;
    assert_eq!((planned.callbacks[0].status, planned.callbacks[0].attempts), (200, 3));
    let counters = simulator.counters();
    assert_eq!((counters.callbacks_sent, counters.callbacks_retried, counters.callbacks_accepted), (3, 2, 1));
    assert_eq!(counters.callbacks_lost, 0);
}

#[tokio::test]
async fn callback_is_lost_after_its_last_retry() {
    let simulator = start().await;
    let receiver = Receiver::start(|_, _| 500).await;
    let url = format!("{PUBLIC_URL}#rc=1&rp=5xx");
    simulator.set_callback(url.parse().unwrap(), Some(receiver.address));
    let planned = simulator.place_call(call(0)).await;
    assert_eq!((planned.callbacks[0].status, planned.callbacks[0].attempts), (500, 2));
    assert_eq!(simulator.counters().callbacks_lost, 1);
    // The fragment is neither sent nor signed.
    assert_eq!(receiver.received()[0].path_and_query, "/webhooks/recording?tenant=t1");
    assert_eq!(verdicts(PUBLIC_URL, &receiver.received()).await, [true, true]);
}

/// Twilio's own default: an answer, whatever it says, is the end of it.
#[tokio::test]
async fn refusal_is_not_retried() {
    let simulator = start().await;
    for status in [403, 503] {
        let receiver = Receiver::start(move |_, _| status).await;
        simulator.set_callback(PUBLIC_URL.parse().unwrap(), Some(receiver.address));
        let planned = simulator.place_call(call(0)).await;
        assert_eq!((planned.callbacks[0].status, planned.callbacks[0].attempts), (status, 1));
    }
}

#[tokio::test]
async fn unreachable_receiver_is_an_outcome_without_status() {
    let simulator = start().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    simulator.set_callback(format!("http://{address}/webhooks/recording#rc=2").parse().unwrap(), None);
    let planned = simulator.place_call(call(0)).await;
    assert_eq!((planned.callbacks[0].status, planned.callbacks[0].attempts), (0, 3));
}

#[tokio::test]
async fn single_callback_is_sent_once() {
    let simulator = start().await;
    let receiver = Receiver::start(|_, _| 503).await;
    simulator.set_callback(PUBLIC_URL.parse().unwrap(), Some(receiver.address));
    let planned = simulator.add_recording(call(0));
    let outcome = simulator.send_callback(&planned.recording_sid, "in-progress").await;
    assert_eq!((outcome.status, outcome.attempts), (503, 1));
    assert_eq!(statuses(&receiver.received()), ["in-progress"]);
}
