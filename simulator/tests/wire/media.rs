//! Media downloads.

use callvault_simulator::{CallPlan, MediaPlan, Simulator, clips};
use serde_json::{Value, json};

use crate::harness::{add, anonymous, call, call_with, delete, get, python, sha256, start, synthetic};

/// Indices of a clip with one channel and of one with two.
const MONO: usize = 0;
const DUAL: usize = 1;

async fn bytes(simulator: &Simulator, resource: &str) -> Vec<u8> {
    let response = get(simulator, resource).send().await.unwrap();
    assert_eq!(response.status(), 200, "{resource}");
    response.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn wav_is_the_clip_and_its_hash_is_known() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(0, MediaPlan::Clip(DUAL)));
    for resource in [format!("Recordings/{sid}.wav"), format!("Recordings/{sid}")] {
        let response = get(&simulator, &resource).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "audio/x-wav");
        assert_eq!(response.content_length(), Some(clips()[DUAL].wav.len() as u64));
        assert_eq!(response.bytes().await.unwrap(), clips()[DUAL].wav);
    }
    let truth = &simulator.recordings()[0];
    assert_eq!(truth.sha256.as_deref(), Some(sha256(clips()[DUAL].wav).as_str()));
    assert_eq!((truth.bytes, truth.text.as_str()), (clips()[DUAL].wav.len() as u64, clips()[DUAL].text));
}

#[tokio::test]
async fn mp3_is_an_mp3() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(0, MediaPlan::Clip(MONO)));
    let response = get(&simulator, &format!("Recordings/{sid}.mp3")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "audio/mpeg");
    assert_eq!(response.bytes().await.unwrap(), clips()[MONO].mp3);
}

/// RFC 9110: a 206 with Content-Range; 416 past the end.
#[tokio::test]
async fn range_is_honoured() {
    let simulator = start().await;
    let sid = add(&simulator, synthetic(0, 200_000));
    let resource = format!("Recordings/{sid}.wav");
    let whole = bytes(&simulator, &resource).await;
    let ranged = async |range: &str| get(&simulator, &resource).header("Range", range).send().await.unwrap();

    let part = ranged("bytes=150000-").await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 150000-199999/200000");
    assert_eq!(part.content_length(), Some(50_000));
    assert_eq!(part.bytes().await.unwrap(), whole[150_000..]);
    let past = ranged("bytes=200000-").await;
    assert_eq!((past.status().as_u16(), past.headers()["content-range"].to_str().unwrap()), (416, "bytes */200000"));
}

/// Python's `wave` reads what is served.
#[tokio::test]
async fn every_served_wav_is_a_wav() {
    let simulator = start().await;
    let dual = add(&simulator, call_with(0, MediaPlan::Clip(DUAL)));
    let large = add(&simulator, synthetic(1, 1_000_000));
    let seen = python(
        "wave_headers.py",
        json!({ "wavs": [
        bytes(&simulator, &format!("Recordings/{dual}.wav")).await,
        bytes(&simulator, &format!("Recordings/{dual}.wav?RequestedChannels=1")).await,
        bytes(&simulator, &format!("Recordings/{large}.wav")).await,
    ] }),
    )
    .await;
    let frames = (clips()[DUAL].wav.len() - 44) / 4;
    assert_eq!(seen, json!([[2, 8000, 2, frames], [1, 8000, 2, frames], [1, 8000, 2, (1_000_000 - 128) / 2]]));
}

#[tokio::test]
async fn dual_of_a_mono_recording_gets_16113() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(0, MediaPlan::Clip(MONO)));
    let response = get(&simulator, &format!("Recordings/{sid}.wav?RequestedChannels=2")).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("<Code>16113</Code>"));
    assert_eq!(bytes(&simulator, &format!("Recordings/{sid}.wav?RequestedChannels=1")).await, clips()[MONO].wav);
}

#[tokio::test]
async fn conference_comes_as_one_channel_unless_two_are_asked_for() {
    let simulator = start().await;
    let plan = CallPlan { is_conference: true, source: "Conference", ..call_with(0, MediaPlan::Clip(DUAL)) };
    let sid = add(&simulator, plan);
    let both = clips()[DUAL].wav;
    assert_eq!(bytes(&simulator, &format!("Recordings/{sid}.wav?RequestedChannels=2")).await, both);
    let one = bytes(&simulator, &format!("Recordings/{sid}.wav")).await;
    assert_eq!(one.len(), 44 + (both.len() - 44) / 2);
}

#[tokio::test]
async fn errors_without_json_in_the_path_are_xml() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    delete(&simulator, &sid).await;
    let response = get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (404, &"application/xml".parse().unwrap())
    );
    let body = response.text().await.unwrap();
    assert!(body.contains("<TwilioResponse><RestException><Code>20404</Code>"), "{body}");
    assert_eq!(anonymous(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn unfinished_absent_and_failed_recordings_have_no_media() {
    let simulator = start().await;
    let unfinished = add(&simulator, call(0));
    simulator.set_status(&unfinished, "processing");
    let absent = add(&simulator, call_with(1, MediaPlan::Absent { code: 16102 }));
    let failed = add(&simulator, call_with(2, MediaPlan::Failed { code: 16104 }));
    for sid in [unfinished, absent, failed] {
        assert_eq!(get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap().status(), 404);
    }
}

/// Opened by Python's `cryptography` as Twilio's tutorial does it: RSA-OAEP with SHA-256, AES-GCM, tag at the end.
#[tokio::test]
async fn encrypted_recording_opens_with_the_accounts_key() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(DUAL as u64, MediaPlan::Encrypted));
    let mp3 = get(&simulator, &format!("Recordings/{sid}.mp3")).send().await.unwrap();
    assert!(mp3.text().await.unwrap().contains("<Code>16109</Code>"));

    let resource: Value =
        get(&simulator, &format!("Recordings/{sid}.json")).send().await.unwrap().json().await.unwrap();
    let ciphertext = bytes(&simulator, &format!("Recordings/{sid}.wav")).await;
    assert_eq!(simulator.recordings()[0].sha256, Some(sha256(&ciphertext)));
    let input = json!({
        "private_key": simulator.encryption_private_key(),
        "details": resource["encryption_details"],
        "ciphertext": ciphertext,
    });
    assert_eq!(python("open_encrypted.py", input).await, sha256(clips()[DUAL].wav));
}

#[tokio::test]
async fn synthetic_media_have_the_size_and_hash_that_were_told() {
    let simulator = start().await;
    let sid = add(&simulator, synthetic(0, 3_000_001));
    let media = bytes(&simulator, &format!("Recordings/{sid}.wav")).await;
    let truth = &simulator.recordings()[0];
    assert_eq!((media.len() as u64, truth.bytes), (3_000_001, 3_000_001));
    assert_eq!(truth.sha256, Some(sha256(&media)));
}

/// Resident memory from `/proc`, before and with 64 downloads of 200 MB open.
#[tokio::test]
async fn many_large_downloads_take_little_memory() {
    let simulator = start().await;
    let sids: Vec<_> = (0..64).map(|index| add(&simulator, synthetic(index, 200_000_000))).collect();
    let resident_kb = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = resident_kb();
    let mut open = Vec::new();
    for sid in &sids {
        let mut response = get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        open.push(response);
    }
    assert_eq!(simulator.counters().media_in_flight_max, 64);
    let grown = resident_kb().saturating_sub(before);
    assert!(grown < 300_000, "{grown} kB for 64 open downloads of 12.8 GB");
}
