//! What the HTTP providers make of everything that is not an answer.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use callvault_transcriber::FaultKind::{self, Rejected, Throttled, Transient, Unauthorized};
use callvault_transcriber::{Deepgram, DeepgramConfig, Media, Transcriber, TranscriberError};
use futures::stream::{self, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use crate::harness::{self, Answer, Headers, MINUTE, Server, broken_media, media, options, shown};

const KEY: &str = "dg-4f5e6d7c8b9a";

fn deepgram(api_url: &Url, timeout: Duration) -> Deepgram {
    Deepgram::new(DeepgramConfig { api_url: api_url.clone(), api_key: KEY.into(), timeout }).unwrap()
}

async fn error_of(answer: Answer) -> TranscriberError {
    let server = Server::start(vec![answer]).await;
    error_at(&server.url, media(1, &[b"RIFF"])).await
}

async fn error_at(url: &Url, media: Media) -> TranscriberError {
    deepgram(url, MINUTE).transcribe(media, &options(None, None)).await.unwrap_err()
}

/// A server that says `answer`, byte for byte, to whatever comes, and hangs up.
async fn raw_server(answer: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(answer.as_bytes()).await;
    });
    url
}

/// A server that says to whatever comes over a connection what it said to the first that came over it: how it looks to
/// a client that asks again before the repetition of an answer reaches it.
async fn repeating_server() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        for turn in 1.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let said = format!("answer {turn}");
                let said = json!({"results": {"channels": [{"alternatives": [{"transcript": said}]}]}}).to_string();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len());
                let mut heard = Vec::new();
                while let Ok(1..) = socket.read_buf(&mut heard).await {
                    if heard.ends_with(b"RIFF") {
                        heard.clear();
                        socket.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn answer_that_is_said_twice_is_not_taken_for_the_next_one() {
    let deepgram = deepgram(&repeating_server().await, MINUTE);
    for text in ["answer 1", "answer 2", "answer 3"] {
        let made = deepgram.transcribe(media(1, &[b"RIFF"]), &options(None, None)).await.unwrap();
        assert_eq!(made.text, text);
    }
}

#[tokio::test]
async fn status_decides_the_kind() {
    let kinds: [(u16, FaultKind); 17] = [
        (302, Unauthorized),
        (400, Rejected),
        (401, Unauthorized),
        (402, Unauthorized),
        (403, Unauthorized),
        (404, Rejected),
        (408, Transient),
        (411, Rejected),
        (413, Rejected),
        (415, Rejected),
        (422, Rejected),
        (429, Throttled),
        (500, Transient),
        (501, Transient),
        (502, Transient),
        (503, Transient),
        (504, Transient),
    ];
    for (status, kind) in kinds {
        let error = error_of(harness::status(status, "{}")).await;
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn explanation_and_request_id_are_told() {
    // Deepgram's errors page: https://developers.deepgram.com/docs/errors
    let body = r#"{"err_code": "Bad Request", "err_msg": "Bad Request: failed to process audio: corrupt or unsupported data"}"#;
    let error = error_of(harness::with_headers(400, &[("dg-request-id", "5f0a3c64-0d4b")], body)).await;
    assert_eq!(
        error.to_string(),
        "Deepgram answered 400 Bad Request (Bad Request; Bad Request: failed to process audio: corrupt or \
         unsupported data; request 5f0a3c64-0d4b)"
    );
}

#[tokio::test]
async fn too_large_a_recording_says_what_to_do() {
    let error = error_of(harness::status(413, "")).await;
    assert!(error.to_string().contains("archive as mp3, or use another provider"), "{error}");
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_clamped() {
    // RFC 9110, 5.6.7: the same instant in the two forms that may be sent today, and an answer's Date before it.
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
    let cases: [(Headers, Option<u64>); 7] = [
        (&[("retry-after", "17")], Some(17)),
        (&[("retry-after", "0")], Some(1)),
        (&[("retry-after", "86400")], Some(3600)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), DATE], Some(30)),
        (&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), DATE], Some(30)),
        (&[("retry-after", "soon")], None),
        (&[], None),
    ];
    for (headers, secs) in cases {
        let error = error_of(harness::with_headers(429, headers, "{}")).await;
        assert_eq!(error.retry_after, secs.map(Duration::from_secs), "{headers:?}");
    }
}

#[tokio::test]
async fn key_is_in_no_error() {
    let quoted = format!(r#"{{"err_code": "INVALID_AUTH", "err_msg": "Incorrect API key provided: {KEY}"}}"#);
    for status in [400, 401, 403, 500] {
        let error = shown(&error_of(harness::status(status, quoted.clone())).await);
        assert!(!error.contains(KEY), "{error}");
        assert!(error.contains("INVALID_AUTH"), "{error}");
    }
    let provider = deepgram(&Url::parse("http://user:pass@localhost").unwrap(), MINUTE);
    let shown = format!("{provider:?}");
    assert!(!shown.contains(KEY) && !shown.contains("pass"), "{shown}");
}

#[tokio::test]
async fn explanation_of_a_refused_key_is_not_told() {
    // OpenAI quotes the ends of a key it refuses.
    let masked = r#"{"error": {"message": "Incorrect API key provided: dg-4f*****8b9a", "code": "invalid_api_key"}}"#;
    let error = shown(&error_of(harness::status(401, masked)).await);
    assert!(error.contains("invalid_api_key") && !error.contains("dg-4f"), "{error}");
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let elsewhere = Server::start(Vec::new()).await;
    let location = elsewhere.url.to_string();
    let redirect = move || async move { (StatusCode::FOUND, [("location", location)]) };
    let server = Server::with(Router::new().fallback(redirect)).await;
    let error = error_at(&server.url, media(1, &[b"RIFF"])).await;
    assert_eq!(error.kind, Unauthorized, "{error}");
    assert!(elsewhere.requests().is_empty(), "the other host heard of it");
}

#[tokio::test]
async fn what_was_said_is_in_no_error() {
    for body in [
        r#"{"results": {"channels": "my card number is", "utterances": []}}"#,
        r#"{"results": {"channels": [{"alternatives": [{"transcript": "my card number is"#,
        "my card number is",
        "[\"my card number is\"]",
    ] {
        let error = error_of(harness::json(body)).await;
        assert_eq!(error.kind, Transient);
        assert!(!shown(&error).contains("card"), "{}", shown(&error));
    }
}

#[tokio::test]
async fn peer_that_can_not_be_reached_is_transient() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
    };
    let error = error_at(&nobody, media(1, &[b"RIFF"])).await;
    assert_eq!((error.kind, error.to_string().as_str()), (Transient, "Deepgram can't be reached"));
}

#[tokio::test]
async fn peer_that_hangs_up_is_transient() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"results\":"] {
        let error = error_at(&raw_server(answer).await, media(1, &[b"RIFF"])).await;
        assert_eq!(error.kind, Transient, "{answer:?}");
    }
}

#[tokio::test]
async fn peer_that_says_nothing_is_given_up_after_the_time_limit() {
    let server = Server::with(Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let short = Media { duration_secs: Some(0.001), ..media(1, &[b"RIFF"]) };
    let error =
        deepgram(&server.url, Duration::from_millis(50)).transcribe(short, &options(None, None)).await.unwrap_err();
    assert_eq!(error.kind, Transient);
    assert!(error.to_string().contains("did not answer within"), "{error}");
}

#[tokio::test]
async fn answer_without_end_is_cut_off() {
    let endless = || async {
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        Body::from_stream(stream::repeat(chunk).map(Ok::<_, std::convert::Infallible>)).into_response()
    };
    let server = Server::with(Router::new().fallback(endless)).await;
    let error = error_at(&server.url, media(1, &[b"RIFF"])).await;
    assert_eq!(error.kind, Rejected);
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn refusal_while_the_media_is_still_going_out_is_heard() {
    let refuse = |_: Request| async { StatusCode::UNAUTHORIZED };
    let server = Server::with(Router::new().fallback(refuse)).await;
    const MEGABYTE: &[u8] = &[0; 1 << 20];
    let error = error_at(&server.url, media(1, &[MEGABYTE; 32])).await;
    assert_eq!(error.kind, Unauthorized, "{error}");
}

#[tokio::test]
async fn media_that_breaks_off_is_transient_and_never_taken_for_whole() {
    let answer = |request: Request| async move {
        match axum::body::to_bytes(request.into_body(), usize::MAX).await {
            Ok(_) => harness::json(r#"{"results": {"channels": []}}"#)(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        }
    };
    let server = Server::with(Router::new().fallback(answer)).await;
    let shorter = Media { bytes: 5, ..media(1, &[b"RIFF"]) };
    let longer = Media { bytes: 3, ..media(1, &[b"RIFF"]) };
    for media in [broken_media(), shorter, longer] {
        let error = error_at(&server.url, media).await;
        assert_eq!(error.kind, Transient, "{error}");
    }
}

#[tokio::test]
async fn media_streams_through() {
    // The media's second half comes only after the server has its first: held back, it would never come.
    let (has_first, first) = oneshot::channel::<()>();
    let has_first = std::sync::Arc::new(std::sync::Mutex::new(Some(has_first)));
    let answer = move |request: Request| async move {
        let mut body = request.into_body().into_data_stream();
        body.next().await.unwrap().unwrap();
        has_first.lock().unwrap().take().unwrap().send(()).unwrap();
        while body.next().await.is_some() {}
        harness::json(r#"{"results": {"channels": []}}"#)() as Response
    };
    let server = Server::with(Router::new().fallback(answer)).await;
    let second = stream::once(async move {
        first.await.unwrap();
        Ok(Bytes::from_static(b"second"))
    });
    let body = stream::iter([Ok(Bytes::from_static(b"first"))]).chain(second).boxed();
    let media = Media { bytes: 11, body, ..media(1, &[]) };
    deepgram(&server.url, MINUTE).transcribe(media, &options(None, None)).await.unwrap();
}
