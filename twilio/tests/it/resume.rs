//! Media whose transfer breaks off: whole in the end, or an error, never a mixture.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use simulator::{Faults, MediaPlan, clips};
use twilio::{TwilioError, TwilioErrorKind};

use crate::harness::{
    MONO, account, add, add_clip, client, drained, faulty, hurried, some_recording, until, wav, whole,
};
use crate::peer::{Answer, Peer, answer, sized, stalled};

/// Ten bytes were promised, `01234` came.
fn cut() -> Answer {
    answer("200 OK\nContent-Length: 10", "01234")
}

/// The same without a promise: the last chunk is missing.
fn cut_chunked() -> Answer {
    answer("200 OK\nTransfer-Encoding: chunked", "5\r\n01234\r\n")
}

fn part(range: &str, body: &str) -> Answer {
    sized(&format!("206 Partial Content\nContent-Range: bytes {range}"), body)
}

/// What came of the media of a peer that gives these answers in turn.
async fn taken(answers: impl Into<Vec<Answer>>) -> (String, Option<TwilioError>, Peer) {
    let peer = Peer::saying(answers).await;
    let client = client(peer.url.clone());
    let (bytes, error) = hurried(async { drained(wav(&client, &some_recording()).await.unwrap()).await }).await;
    (String::from_utf8(bytes).unwrap(), error, peer)
}

/// It ends with one error, which asks for another try from the start; nothing was handed on but what came first.
async fn assert_refused(rest: Answer) {
    let (bytes, error, _) = taken([cut(), rest]).await;
    assert_eq!((bytes.as_str(), error.unwrap().kind), ("01234", TwilioErrorKind::Transient));
}

/// Every second transfer of 5 MB suffers `faults`; the one before it was without.
async fn second_transfer(faults: Faults) -> simulator::Counters {
    let (simulator, client) = faulty(faults).await;
    let sid = add(&simulator, 0, MediaPlan::Synthetic { bytes: 5_000_000 });
    let untroubled = whole(wav(&client, &sid).await.unwrap()).await.unwrap();
    simulator.reset_counters();
    let troubled = hurried(async { whole(wav(&client, &sid).await.unwrap()).await.unwrap() }).await;
    assert_eq!(troubled.len(), 5_000_000);
    assert!(troubled == untroubled, "other bytes than were sent");
    simulator.counters()
}

#[tokio::test]
async fn cut_transfer_goes_on_by_range() {
    let counters = second_transfer(Faults { cut_body_every: Some(2), ..Faults::default() }).await;
    assert_eq!((counters.responses["media 200"], counters.responses["media 206"]), (1, 1));
    assert!(counters.media_bytes < 7_500_000, "{} bytes sent for 5 MB", counters.media_bytes);
}

#[tokio::test]
async fn cut_transfer_starts_over_where_range_is_ignored() {
    let faults = Faults { cut_body_every: Some(2), ignore_range: true, ..Faults::default() };
    assert_eq!(second_transfer(faults).await.responses["media 200"], 2);
}

#[tokio::test]
async fn stalled_transfer_goes_on_by_range() {
    let counters = second_transfer(Faults { stall_body_every: Some(2), ..Faults::default() }).await;
    assert_eq!((counters.responses["media 200"], counters.responses["media 206"]), (1, 1));
}

#[tokio::test]
async fn cut_transfer_of_unknown_length_goes_on_by_range() {
    let faults = Faults { cut_body_every: Some(2), chunked_media: true, ..Faults::default() };
    let counters = second_transfer(faults).await;
    assert_eq!((counters.responses["media 200"], counters.responses["media 206"]), (1, 1));
}

#[tokio::test]
async fn range_begins_where_the_transfer_broke_off() {
    let (bytes, error, peer) = taken([cut(), part("5-9/10", "56789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
    assert_eq!(peer.heard_header("range"), ["", "bytes=5-"]);
}

#[tokio::test]
async fn transfer_that_broke_before_its_first_byte_is_asked_for_whole() {
    let nothing = answer("200 OK\nContent-Length: 10", "");
    let (bytes, error, peer) = taken([nothing, sized("200 OK", "0123456789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
    assert_eq!(peer.heard_header("range"), ["", ""]);
}

/// RFC 9110, 15.3.7: a server may send less than was asked for.
#[tokio::test]
async fn part_shorter_than_asked_for_is_followed_by_the_next() {
    let (bytes, error, peer) = taken([cut(), part("5-6/10", "56"), part("7-9/10", "789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
    assert_eq!(peer.heard_header("range"), ["", "bytes=5-", "bytes=7-"]);
}

#[tokio::test]
async fn server_error_on_the_way_is_overcome() {
    let down = sized("503 Service Unavailable", r#"{"code":20503,"message":"Service Unavailable","status":503}"#);
    let (bytes, error, _) = taken([cut(), down, part("5-9/10", "56789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
}

fn throttled() -> Answer {
    sized("429 Too Many Requests\nRetry-After: 7", r#"{"code":20429,"status":429}"#)
}

#[tokio::test]
async fn throttling_on_the_way_is_waited_out() {
    let peer = Peer::saying([cut(), throttled(), part("5-9/10", "56789")]).await;
    let client = client(peer.url.clone());
    let (media, elapsed) = hurried(async {
        let began = tokio::time::Instant::now();
        (whole(wav(&client, &some_recording()).await.unwrap()).await, began.elapsed())
    })
    .await;
    assert_eq!(media.unwrap(), b"0123456789");
    assert!(elapsed.as_secs() >= 7, "{elapsed:?}");
    assert_eq!(peer.heard_header("range"), ["", "bytes=5-", "bytes=5-"]);
}

#[tokio::test]
async fn throttling_that_does_not_end_is_throttling() {
    let (_, error, peer) = taken([cut(), throttled()]).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Throttled);
    assert_eq!(peer.heard().len(), 6);
}

/// A long recording over a bad line: each transfer brings a MiB, and there are more of them than may fail in a row.
#[tokio::test]
async fn breaks_with_progress_between_them_are_not_too_many() {
    const MIB: usize = 1 << 20;
    let cut_after_a_mib = |before: usize, _: &str| {
        let (first, total) = (before * MIB, 9 * MIB);
        let head = format!("206 Partial Content\nContent-Range: bytes {first}-{}/{total}", total - 1);
        answer(&format!("{head}\nContent-Length: {}", total - first), vec![b'x'; MIB])
    };
    let client = client(Peer::start(cut_after_a_mib).await.url);
    let media = hurried(async { whole(wav(&client, &some_recording()).await.unwrap()).await }).await;
    assert_eq!(media.unwrap().len(), 9 * MIB);
}

/// A part of the media was asked for, and then nobody read on for a minute: that is no stall of Twilio's.
#[tokio::test]
async fn own_slowness_is_not_taken_for_a_stall() {
    let (simulator, client) = faulty(Faults::default()).await;
    let sid = add(&simulator, 0, MediaPlan::Synthetic { bytes: 20_000_000 });
    let mut body = wav(&client, &sid).await.unwrap().body;
    let mut came = 0;
    while let Some(chunk) = body.next().now_or_never() {
        came += chunk.unwrap().unwrap().len();
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    for _ in 0..20 {
        client.check_account(&account()).await.unwrap();
    }
    while let Some(chunk) = body.next().await {
        came += chunk.unwrap().len();
    }
    assert_eq!((came, simulator.counters().requests_to("media")), (20_000_000, 1));
}

#[tokio::test]
async fn transfer_that_breaks_every_time_fails_after_five_resumes() {
    let (simulator, client) = faulty(Faults { cut_body_every: Some(1), ..Faults::default() }).await;
    let sid = add_clip(&simulator, MONO);
    let (bytes, error) = hurried(async { drained(wav(&client, &sid).await.unwrap()).await }).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Transient);
    assert_eq!(simulator.counters().requests_to("media"), 6);
    assert!(clips()[MONO].wav.starts_with(&bytes) && bytes.len() < clips()[MONO].wav.len());
}

#[tokio::test]
async fn stream_that_failed_has_ended() {
    let peer = Peer::saying([cut(), sized("404 Not Found", ""), part("5-9/10", "56789")]).await;
    let client = client(peer.url.clone());
    hurried(async {
        let mut body = wav(&client, &some_recording()).await.unwrap().body;
        while body.next().await.unwrap().is_ok() {}
        assert!(body.next().await.is_none());
    })
    .await;
    assert_eq!(peer.heard().len(), 2);
}

#[tokio::test]
async fn fewer_bytes_than_were_promised_are_an_error() {
    let (simulator, client) = faulty(Faults { wrong_length_every: Some(1), ..Faults::default() }).await;
    let sid = add_clip(&simulator, MONO);
    let (bytes, error) = hurried(async { drained(wav(&client, &sid).await.unwrap()).await }).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Transient);
    assert_eq!(bytes, clips()[MONO].wav);
}

#[tokio::test]
async fn part_from_another_place_is_refused() {
    assert_refused(part("4-9/10", "456789")).await;
    assert_refused(part("6-9/10", "6789")).await;
}

#[tokio::test]
async fn part_that_does_not_say_where_it_belongs_is_refused() {
    assert_refused(sized("206 Partial Content", "56789")).await;
    assert_refused(sized("206 Partial Content\nContent-Range: pages 5-9/10", "56789")).await;
}

#[tokio::test]
async fn part_of_other_media_is_refused() {
    assert_refused(part("5-10/11", "56789x")).await;
    assert_refused(part("5-8/9", "5678")).await;
}

#[tokio::test]
async fn part_of_another_length_than_it_says_is_refused() {
    assert_refused(part("5-9/10", "56789x")).await;
    assert_refused(part("5-9/10", "5678")).await;
}

/// Without a Content-Length, the body has to be counted.
#[tokio::test]
async fn more_bytes_than_were_promised_are_an_error() {
    let endless = answer("206 Partial Content\nContent-Range: bytes 5-9/10", "56789x");
    let (_, error, peer) = taken([cut(), endless]).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Transient);
    assert_eq!(peer.heard().len(), 2);
}

#[tokio::test]
async fn length_told_with_a_part_is_the_promise_where_there_was_none() {
    let (bytes, error, _) = taken([cut_chunked(), part("5-6/10", "56"), part("7-9/10", "789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
}

#[tokio::test]
async fn other_media_from_the_start_are_refused() {
    assert_refused(sized("200 OK", "0123456789x")).await;
    assert_refused(sized("200 OK", "012345678")).await;
}

/// RFC 9110, 8.8.3: another entity tag is another representation.
#[tokio::test]
async fn media_with_another_etag_are_refused() {
    for rest in ["206 Partial Content\nContent-Range: bytes 5-9/10", "200 OK"] {
        let body = if rest.starts_with("206") { "56789" } else { "0123456789" };
        let first = answer("200 OK\nContent-Length: 10\nETag: \"a\"", "01234");
        let (bytes, error, _) = taken([first.clone(), sized(&format!("{rest}\nETag: \"b\""), body)]).await;
        assert_eq!((bytes.as_str(), error.unwrap().kind), ("01234", TwilioErrorKind::Transient));
        let (bytes, error, _) = taken([first, sized(&format!("{rest}\nETag: \"a\""), body)]).await;
        assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
    }
}

/// Neither transfer says how long it is: the second ends before it comes to where the first broke off.
#[tokio::test]
async fn restart_that_ends_too_early_is_no_end_of_the_media() {
    let page = answer("200 OK\nTransfer-Encoding: chunked", "3\r\n<x>\r\n0\r\n\r\n");
    let (bytes, error, _) = taken([cut_chunked(), page]).await;
    assert_eq!((bytes.as_str(), error.unwrap().kind), ("01234", TwilioErrorKind::Transient));
}

#[tokio::test]
async fn error_page_in_place_of_the_rest_is_refused() {
    let media = answer("200 OK\nContent-Type: audio/x-wav\nTransfer-Encoding: chunked", "5\r\n01234\r\n");
    let page = sized("200 OK\nContent-Type: application/xml", "<?xml version='1.0'?><TwilioResponse/>");
    let (bytes, error, _) = taken([media, page]).await;
    assert_eq!((bytes.as_str(), error.unwrap().kind), ("01234", TwilioErrorKind::Transient));
}

#[tokio::test]
async fn part_in_answer_to_a_request_for_all_is_refused() {
    let peer = Peer::saying([part("5-9/10", "56789")]).await;
    let error = wav(&client(peer.url.clone()), &some_recording()).await.unwrap_err();
    assert_eq!((error.kind, error.status), (TwilioErrorKind::Transient, Some(206)));
}

/// Twilio may say 404 of media that are there; whoever takes them up afresh finds out.
#[tokio::test]
async fn media_gone_on_the_way_ask_for_another_try() {
    for gone in ["404 Not Found", "416 Range Not Satisfiable\nContent-Range: bytes */3"] {
        let (bytes, error, _) = taken([cut(), sized(gone, "")]).await;
        assert_eq!((bytes.as_str(), error.unwrap().kind), ("01234", TwilioErrorKind::Transient), "{gone}");
    }
}

#[tokio::test]
async fn stalled_answer_is_left_before_the_next_request() {
    let (bytes, error, peer) = taken([stalled(cut()), part("5-9/10", "56789")]).await;
    assert_eq!((bytes.as_str(), error.is_none()), ("0123456789", true));
    until(|| peer.left() == 1).await;
}
