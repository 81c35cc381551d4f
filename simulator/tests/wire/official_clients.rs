//! The vendors' own Python libraries against the simulator: what they can read is what the vendors send.

use callvault_simulator::{CallPlan, MediaPlan, Simulator, clips};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, TOKEN, add, call, call_with, python, start};

fn dual() -> usize {
    clips().iter().position(|clip| clip.channels == 2).unwrap()
}

async fn twilio(simulator: &Simulator, task: &str, more: Value) -> Value {
    let mut input = json!({ "task": task, "url": simulator.url().as_str(), "account": ACCOUNT, "token": TOKEN });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    python("twilio_client.py", input).await
}

#[tokio::test]
async fn twilio_library_walks_the_list() {
    let simulator = start().await;
    let mut expected: Vec<_> = (0..7).map(|index| add(&simulator, call(index)).to_string()).collect();
    expected.reverse();
    assert_eq!(twilio(&simulator, "list", json!({ "page_size": 3 })).await, json!(expected));
    assert_eq!(simulator.counters().requests_to("list"), 3);
}

#[tokio::test]
async fn twilio_library_filters_by_date() {
    let simulator = start().await;
    let sids: Vec<_> = (0..4).map(|index| add(&simulator, call(index)).to_string()).collect();
    // The library sends instants: 18:16:40 is when the second starts, 18:17:40 the third.
    let between = json!({ "after": "2026-03-24T18:16:40", "before": "2026-03-24T18:17:40" });
    assert_eq!(twilio(&simulator, "between", between).await, json!([sids[2], sids[1]]));
}

#[tokio::test]
async fn twilio_library_fetches_a_recording() {
    let simulator = start().await;
    let planned = simulator.add_recording(CallPlan { source: "DialVerb", ..call_with(0, MediaPlan::Clip(dual())) });
    let fetched = twilio(&simulator, "fetch", json!({ "sid": planned.recording_sid })).await;
    assert_eq!(
        fetched,
        json!({
            "sid": planned.recording_sid, "call_sid": planned.call_sid, "conference_sid": null, "status": "completed",
            "source": "DialVerb", "channels": 2, "duration": "5", "start_time": "2026-03-24T18:15:40+00:00",
            "date_created": "2026-03-24T18:15:40+00:00", "error_code": null, "price_unit": "USD",
        })
    );
}

#[tokio::test]
async fn twilio_library_deletes_and_then_finds_a_tombstone() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    let seen = twilio(&simulator, "delete", json!({ "sid": sid })).await;
    assert_eq!(seen, json!({ "deleted": true, "fetch": [404, 20404], "tombstone": "deleted", "again": [404, 20404] }));
}

#[tokio::test]
async fn twilio_library_understands_the_errors() {
    let simulator = start().await;
    let seen = twilio(&simulator, "errors", json!({})).await;
    assert_eq!(seen, json!({ "page_size": [400, 20007], "credentials": [401, 20003] }));
}

#[tokio::test]
async fn twilio_library_downloads_the_media() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(0, MediaPlan::Clip(dual())));
    let seen = twilio(&simulator, "media", json!({ "sid": sid })).await;
    assert_eq!(seen, json!({ "sha256": simulator.recordings()[0].sha256, "bytes": clips()[dual()].wav.len() }));
}

#[tokio::test]
async fn deepgram_library_reads_the_transcript() {
    let simulator = start().await;
    let clip = clips()[dual()];
    let input = json!({ "url": simulator.url().as_str().trim_end_matches('/'), "wav": clip.wav });
    let seen = python("deepgram_client.py", input).await;
    assert_eq!(seen["channels"], json!(clip.channel_texts));
    assert_eq!(seen["utterances"], clip.text);
    assert_eq!(seen["words"], clip.text.split(' ').count());
    assert_eq!(seen["arch"], json!(["nova-3"]));
    assert!((seen["duration"].as_f64().unwrap() - clip.duration_secs()).abs() < 0.01);
    assert_eq!(seen["error"], json!([400, "Bad Request"]));
}

#[tokio::test]
async fn openai_library_reads_the_transcript() {
    let simulator = start().await;
    let clip = clips()[dual()];
    simulator.set_transcriber_key("sk-test".to_owned().into());
    let input = json!({ "url": simulator.url().join("v1").unwrap().as_str(), "wav": clip.wav });
    let seen = python("openai_client.py", input).await;
    assert_eq!((&seen["json"], &seen["text"]), (&clip.text.into(), &clip.text.into()));
    assert_eq!(seen["segments"], clip.text);
    assert_eq!(seen["words"], clip.text.split(' ').count());
    assert_eq!(seen["language"], "english");
    assert_eq!(seen["models"][0], "whisper-1");
    assert_eq!(seen["error"], json!([401, "invalid_api_key"]));
}
