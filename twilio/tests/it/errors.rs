//! Answers that are no success, and no answers, in the words that decide what to do.

use std::time::Duration;

use simulator::{Faults, Simulator};
use tokio::time::Instant;
use twilio::{Client, TwilioError, TwilioErrorKind};

use crate::harness::{
    MONO, account, add_clip, client, config, credentials, faulty, hurried, simulated, some_recording, wav,
};
use crate::peer::{Answer, Peer, answer, silence, sized, stalled};

async fn throttled(faults: Faults) -> TwilioError {
    let (_simulator, client) = faulty(Faults { throttle_every: Some(1), ..faults }).await;
    let error = client.check_account(&account()).await.unwrap_err();
    assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Throttled, Some(20429), Some(429)));
    error
}

/// What a fetch of a recording's resource comes to with this answer.
async fn told(answer: Answer) -> TwilioError {
    let peer = Peer::saying([answer]).await;
    client(peer.url.clone()).recording(&account(), &some_recording()).await.unwrap_err()
}

fn with_token(simulator: &Simulator, token: &str) -> Client {
    let account = simulator.account_sid().as_str();
    Client::new(twilio::ClientConfig { credentials: credentials(account, token), ..config(simulator.url()) }).unwrap()
}

#[tokio::test]
async fn wrong_token_is_unauthorized() {
    let (simulator, _) = simulated().await;
    let client = with_token(&simulator, "wrong");
    let error = client.check_account(&account()).await.unwrap_err();
    assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Unauthorized, Some(20003), Some(401)));
    let error = wav(&client, &some_recording()).await.unwrap_err();
    assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Unauthorized, Some(20003), Some(401)));
}

#[tokio::test]
async fn throttling_without_retry_after_names_no_delay() {
    assert_eq!(throttled(Faults::default()).await.retry_after, None);
}

#[tokio::test]
async fn throttling_asks_for_its_delay_but_for_an_hour_at_most() {
    for (asked_secs, secs) in [(7, 7), (3600, 3600), (3601, 3600), (u64::MAX, 3600)] {
        let error = throttled(Faults { retry_after_secs: Some(asked_secs), ..Faults::default() }).await;
        assert_eq!(error.retry_after, Some(Duration::from_secs(secs)));
    }
}

/// A delay of nothing would be a loop without a pause: no throttled request costs an attempt.
#[tokio::test]
async fn throttling_asks_for_a_second_at_least() {
    let error = throttled(Faults { retry_after_secs: Some(0), ..Faults::default() }).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
}

/// RFC 9110, 10.2.3, with the date of its 5.6.7: against the answer's own clock.
#[tokio::test]
async fn retry_after_a_date_is_counted_from_the_answers_date() {
    let dates = [
        ("Sun, 06 Nov 1994 08:50:07 GMT", Some(Duration::from_secs(30))),
        ("Mon, 07 Nov 1994 08:49:37 GMT", Some(Duration::from_secs(3600))),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::from_secs(1))),
        ("tomorrow", None),
    ];
    for (date, delay) in dates {
        let head = format!("429 Too Many Requests\nDate: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: {date}");
        assert_eq!(told(sized(&head, "")).await.retry_after, delay, "{date}");
    }
}

#[tokio::test]
async fn retry_after_a_date_is_counted_from_here_where_the_answer_has_none() {
    for (date, secs) in [("Fri, 31 Dec 9999 23:59:59 GMT", 3600), ("Sun, 06 Nov 1994 08:49:37 GMT", 1)] {
        let error = told(sized(&format!("429 Too Many Requests\nRetry-After: {date}"), "")).await;
        assert_eq!(error.retry_after, Some(Duration::from_secs(secs)), "{date}");
    }
}

#[tokio::test]
async fn retry_after_too_large_to_count_is_an_hour() {
    let error = told(sized("429 Too Many Requests\nRetry-After: 99999999999999999999999", "")).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(3600)));
}

/// Twilio's codes say more than the status beside them (<https://www.twilio.com/docs/api/errors>).
#[tokio::test]
async fn code_decides_before_the_status() {
    let codes = [
        (20003, "401 Unauthorized", TwilioErrorKind::Unauthorized),
        (20004, "403 Forbidden", TwilioErrorKind::Unauthorized),
        (20005, "400 Bad Request", TwilioErrorKind::Unauthorized),
        (20006, "403 Forbidden", TwilioErrorKind::Unauthorized),
        (20007, "400 Bad Request", TwilioErrorKind::Rejected),
        (20403, "403 Forbidden", TwilioErrorKind::Unauthorized),
        (20404, "400 Bad Request", TwilioErrorKind::NotFound),
        (20409, "400 Bad Request", TwilioErrorKind::Transient),
        (20009, "400 Bad Request", TwilioErrorKind::Transient),
        (20429, "503 Service Unavailable", TwilioErrorKind::Throttled),
        (20500, "500 Internal Server Error", TwilioErrorKind::Transient),
        (16113, "400 Bad Request", TwilioErrorKind::Rejected),
    ];
    for (code, status, kind) in codes {
        let error = told(sized(status, &format!(r#"{{"code":{code},"message":"No.","status":400}}"#))).await;
        assert_eq!((error.kind, error.code), (kind, Some(code)));
        assert!(error.to_string().contains(&format!("code {code}: No.")), "{error}");
    }
}

#[tokio::test]
async fn status_decides_where_the_edge_answers_without_a_code() {
    let statuses = [
        ("400 Bad Request", TwilioErrorKind::Rejected),
        ("401 Unauthorized", TwilioErrorKind::Unauthorized),
        ("403 Forbidden", TwilioErrorKind::Unauthorized),
        ("404 Not Found", TwilioErrorKind::NotFound),
        ("408 Request Timeout", TwilioErrorKind::Transient),
        ("409 Conflict", TwilioErrorKind::Transient),
        ("410 Gone", TwilioErrorKind::Rejected),
        ("429 Too Many Requests", TwilioErrorKind::Throttled),
        ("500 Internal Server Error", TwilioErrorKind::Transient),
        ("502 Bad Gateway", TwilioErrorKind::Transient),
        ("503 Service Unavailable", TwilioErrorKind::Transient),
        ("504 Gateway Timeout", TwilioErrorKind::Transient),
        ("599", TwilioErrorKind::Transient),
        ("299 Odd\nContent-Type: text/html", TwilioErrorKind::Transient),
    ];
    for (status, kind) in statuses {
        let error = told(sized(status, "<html><body>The edge</body></html>")).await;
        assert_eq!((error.kind, error.code), (kind, None), "{status}");
    }
}

#[tokio::test]
async fn server_errors_are_transient() {
    let (simulator, client) = faulty(Faults { server_error_every: Some(1), ..Faults::default() }).await;
    let sid = add_clip(&simulator, MONO);
    for (status, code) in [(500, 20500), (503, 20503)] {
        let error = wav(&client, &sid).await.unwrap_err();
        assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Transient, Some(code), Some(status)));
    }
}

/// Twilio's support asks for it.
#[tokio::test]
async fn error_names_twilios_request() {
    let (_simulator, client) = faulty(Faults { server_error_every: Some(1), ..Faults::default() }).await;
    let error = client.check_account(&account()).await.unwrap_err().to_string();
    assert!(error.contains("request RQ"), "{error}");
}

#[tokio::test]
async fn silence_is_transient() {
    let peer = Peer::saying([silence()]).await;
    let client = client(peer.url.clone());
    let error = hurried(client.recording(&account(), &some_recording())).await.unwrap_err();
    assert_eq!((error.kind, error.status), (TwilioErrorKind::Transient, None));
}

#[tokio::test]
async fn answer_that_falls_silent_is_transient() {
    let peer = Peer::saying([stalled(answer("200 OK\nContent-Length: 100", r#"{"sid":"#))]).await;
    let client = client(peer.url.clone());
    let error = hurried(client.recording(&account(), &some_recording())).await.unwrap_err();
    assert_eq!(error.kind, TwilioErrorKind::Transient);
}

#[tokio::test]
async fn refused_and_garbled_connections_are_transient() {
    let (simulator, client) = simulated().await;
    simulator.stop().await;
    assert_eq!(client.check_account(&account()).await.unwrap_err().kind, TwilioErrorKind::Transient);
    assert_eq!(told(answer("two hundred", "")).await.kind, TwilioErrorKind::Transient);
    assert_eq!(told(answer("200 OK\nContent-Length: 9", "{")).await.kind, TwilioErrorKind::Transient);
}

#[tokio::test]
async fn answer_that_is_not_as_documented_is_transient() {
    for body in ["<html>200, but no JSON</html>", "{}", "", r#"{"sid":"RE1","account_sid":"AC1"}"#] {
        assert_eq!(told(sized("200 OK", body)).await.kind, TwilioErrorKind::Transient, "{body}");
    }
}

/// The peer promises a gigabyte and falls silent after a megabyte; the client has left before.
#[tokio::test]
async fn endless_error_page_is_not_read_to_its_end() {
    let page = vec![b'x'; 1 << 20];
    let peer = Peer::saying([stalled(answer("500 Oh\nContent-Length: 1000000000", page))]).await;
    let (client, account) = (client(peer.url.clone()), account());
    let (error, elapsed) = hurried(async {
        let began = Instant::now();
        (client.check_account(&account).await.unwrap_err(), began.elapsed())
    })
    .await;
    assert_eq!(error.status, Some(500));
    assert!(elapsed < Duration::from_secs(30), "it was read until the peer fell silent");
}
