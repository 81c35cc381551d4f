//! Every fault, as a client meets it.

use std::time::Duration;

use callvault_simulator::{Faults, Simulator, clips};
use reqwest::Response;
use serde_json::Value;
use twilio::RecordingSid;

use crate::harness::{add, call, delete, get, start, synthetic};

async fn media(simulator: &Simulator, sid: &RecordingSid) -> Response {
    get(simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap()
}

/// A simulator with these faults and one recording.
async fn with(faults: Faults) -> (Simulator, RecordingSid) {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    simulator.set_faults(faults);
    (simulator, sid)
}

/// The statuses of so many downloads, one after the other.
async fn statuses(simulator: &Simulator, sid: &RecordingSid, downloads: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..downloads {
        let response = media(simulator, sid).await;
        statuses.push(response.status().as_u16());
        // What is left unread would still be under way.
        let _ = response.bytes().await;
    }
    statuses
}

#[tokio::test]
async fn media_is_missing_at_first_for_each_recording() {
    let (simulator, first) = with(Faults { media_404_first: 2, ..Faults::default() }).await;
    let second = add(&simulator, call(1));
    assert_eq!(statuses(&simulator, &first, 4).await, [404, 404, 200, 200]);
    assert_eq!(statuses(&simulator, &second, 3).await, [404, 404, 200]);
    let resource: Value =
        get(&simulator, &format!("Recordings/{first}.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(resource["status"], "completed");
}

#[tokio::test]
async fn throttling_strikes_every_nth_request() {
    let (simulator, sid) = with(Faults { throttle_every: Some(3), ..Faults::default() }).await;
    assert_eq!(statuses(&simulator, &sid, 6).await, [200, 200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn throttling_has_retry_after_where_it_is_set() {
    let (simulator, sid) = with(Faults { throttle_every: Some(1), ..Faults::default() }).await;
    let bare = get(&simulator, &format!("Recordings/{sid}.json")).send().await.unwrap();
    assert!(bare.headers().get("Retry-After").is_none());
    assert_eq!(bare.json::<Value>().await.unwrap()["code"], 20429);
    simulator.set_faults(Faults { throttle_every: Some(1), retry_after_secs: Some(7), ..Faults::default() });
    assert_eq!(media(&simulator, &sid).await.headers()["Retry-After"], "7");
}

#[tokio::test]
async fn server_errors_alternate() {
    let (simulator, sid) = with(Faults { server_error_every: Some(1), ..Faults::default() }).await;
    assert_eq!(statuses(&simulator, &sid, 4).await, [500, 503, 500, 503]);
}

#[tokio::test]
async fn one_request_suffers_one_fault_and_none_is_shadowed() {
    let (simulator, sid) =
        with(Faults { throttle_every: Some(2), server_error_every: Some(2), ..Faults::default() }).await;
    assert_eq!(statuses(&simulator, &sid, 6).await, [200, 429, 500, 429, 200, 429]);
}

#[tokio::test]
async fn list_and_delete_have_faults_of_their_own() {
    let (simulator, sid) =
        with(Faults { list_error_every: Some(1), delete_error_every: Some(2), ..Faults::default() }).await;
    assert_eq!(get(&simulator, "Recordings.json").send().await.unwrap().status(), 503);
    assert_eq!(delete(&simulator, &sid).await.status(), 204);
    let other = add(&simulator, call(1));
    assert_eq!(delete(&simulator, &other).await.status(), 500);
    assert_eq!(simulator.recordings()[1].status, "completed");
}

#[tokio::test]
async fn error_page_with_200_comes_as_xml_and_as_audio() {
    let (simulator, sid) = with(Faults { xml_error_as_200_every: Some(1), ..Faults::default() }).await;
    for content_type in ["application/xml", "audio/x-wav"] {
        let response = media(&simulator, &sid).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &content_type.parse().unwrap())
        );
        assert!(response.text().await.unwrap().starts_with("<?xml"));
    }
}

/// What of the body came, and whether it came to its promised end.
async fn drain(mut response: Response) -> (u64, bool) {
    let mut bytes = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len() as u64,
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}

#[tokio::test]
async fn cut_body_ends_half_way() {
    let (simulator, sid) = with(Faults { cut_body_every: Some(2), ..Faults::default() }).await;
    let whole = clips()[0].wav.len() as u64;
    assert_eq!(drain(media(&simulator, &sid).await).await, (whole, true));
    let cut = media(&simulator, &sid).await;
    assert_eq!((cut.status().as_u16(), cut.content_length()), (200, Some(whole)));
    assert_eq!(drain(cut).await, (whole / 2, false));
    assert_eq!(drain(media(&simulator, &sid).await).await, (whole, true));
}

#[tokio::test]
async fn cut_body_can_be_resumed_by_range() {
    let (simulator, sid) = with(Faults { cut_body_every: Some(2), ..Faults::default() }).await;
    media(&simulator, &sid).await.bytes().await.unwrap();
    let (had, _) = drain(media(&simulator, &sid).await).await;
    let request = get(&simulator, &format!("Recordings/{sid}.wav")).header("Range", format!("bytes={had}-"));
    let rest = request.send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.bytes().await.unwrap(), clips()[0].wav[usize::try_from(had).unwrap()..]);
}

#[tokio::test]
async fn large_cut_body_loses_about_half() {
    let (simulator, _) = with(Faults { cut_body_every: Some(1), ..Faults::default() }).await;
    let sid = add(&simulator, synthetic(1, 20_000_000));
    let (bytes, is_whole) = drain(media(&simulator, &sid).await).await;
    assert!(!is_whole && (1..=10_000_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn stalled_body_falls_silent_half_way_until_the_simulator_stops() {
    let (simulator, sid) = with(Faults { stall_body_every: Some(1), ..Faults::default() }).await;
    let half = clips()[0].wav.len() / 2;
    let mut response = media(&simulator, &sid).await;
    let mut bytes = 0;
    while bytes < half {
        bytes += response.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(bytes, half);
    let silence = tokio::time::timeout(Duration::from_millis(200), response.chunk()).await;
    assert!(silence.is_err(), "the body should stall");
    simulator.stop().await;
    assert!(response.chunk().await.is_err(), "the connection should be gone");
}

#[tokio::test]
async fn wrong_length_promises_more_than_there_is() {
    let (simulator, sid) = with(Faults { wrong_length_every: Some(1), ..Faults::default() }).await;
    let whole = clips()[0].wav.len() as u64;
    let response = media(&simulator, &sid).await;
    assert_eq!(response.content_length(), Some(whole + 512));
    assert_eq!(drain(response).await, (whole, false));
}

#[tokio::test]
async fn range_can_be_ignored_and_length_left_out() {
    let (simulator, sid) = with(Faults { ignore_range: true, chunked_media: true, ..Faults::default() }).await;
    let request = get(&simulator, &format!("Recordings/{sid}.wav")).header("Range", "bytes=100-");
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, None));
    assert_eq!(response.bytes().await.unwrap(), clips()[0].wav);
}

#[tokio::test]
async fn concurrency_limit_counts_bodies_under_way() {
    let (simulator, _) = with(Faults { concurrency_limit: Some(2), ..Faults::default() }).await;
    let large = add(&simulator, synthetic(1, 50_000_000));
    let (first, second) = (media(&simulator, &large).await, media(&simulator, &large).await);
    assert_eq!(media(&simulator, &large).await.status(), 429);
    assert_eq!(simulator.counters().in_flight_max, 3);
    first.bytes().await.unwrap();
    second.bytes().await.unwrap();
    // The server may learn of the end of a body a moment after the client.
    while media(&simulator, &large).await.status() == 429 {
        tokio::task::yield_now().await;
    }
}
