use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method};
use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::super::buffers::Buffers;
use super::super::{S3Options, S3Server, connect, put};
use super::{DISTRUST, Streaming};

const BYTES: usize = 2_000_000;

/// A server that keeps the length of the last object, and what its put said; it checks nothing.
async fn serve() -> (String, Arc<Mutex<(usize, HeaderMap)>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new((0, HeaderMap::new())));
    let kept = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| async move {
        let (head, body) = request.into_parts();
        if head.method == Method::PUT {
            *kept.lock().unwrap() = (to_bytes(body, usize::MAX).await.unwrap().len(), head.headers);
        }
        let length = if head.method == Method::HEAD { kept.lock().unwrap().0 } else { 0 };
        let modified = "Fri, 20 Nov 2026 09:00:00 GMT".to_owned();
        [("content-length", length.to_string()), ("last-modified", modified), ("etag", "\"1\"".to_owned())]
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, seen)
}

/// What the put of an object says where checksums are turned off.
async fn put_without_checksums(signs_payload: bool) -> HeaderMap {
    let (endpoint_url, seen) = serve().await;
    let (access_key_id, secret_access_key) = ("AKTEST".to_owned(), "secret".into());
    let server = Some(S3Server { endpoint_url, access_key_id, secret_access_key });
    let mut bucket = connect::connect("//calls", S3Options { server, ..S3Options::default() }).await.unwrap();
    let config = bucket.client.config().to_builder();
    let calculation = RequestChecksumCalculation::WhenRequired;
    bucket.client = Client::from_conf(config.request_checksum_calculation(calculation).build());
    (bucket.sends_checksums, bucket.signs_payload) = (false, signs_payload);
    let pieces: Vec<_> = vec![7; BYTES].chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let (body, key) = (stream::iter(pieces).boxed(), "recordings/AC1/RE1.wav.age".parse().unwrap());
    assert_eq!(put::put(&bucket, &Buffers::new(0), &key, body, Some(BYTES as u64)).await.unwrap(), BYTES as u64);
    let (length, headers) = seen.lock().unwrap().clone();
    assert_eq!((length, headers["content-length"].to_str().unwrap()), (BYTES, "2000000"));
    for absent in ["x-amz-trailer", "content-encoding", "transfer-encoding", "x-amz-sdk-checksum-algorithm"] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
    headers
}

#[tokio::test]
async fn without_checksums_the_body_goes_as_it_is() {
    assert_eq!(put_without_checksums(false).await["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
}

#[tokio::test(start_paused = true)]
async fn server_that_failed_with_streams_gets_one_again_later() {
    let streaming = Streaming::default();
    for well in [false, false, true, false, false, false] {
        assert!(streaming.is_tried());
        streaming.ended(well);
    }
    for is_tried in [false, true] {
        tokio::time::advance(DISTRUST / 2).await;
        assert_eq!(streaming.is_tried(), is_tried);
    }
}

#[tokio::test]
async fn what_only_a_signature_guards_is_signed_whole() {
    let headers = put_without_checksums(true).await;
    let hash = headers[HeaderName::from_static("x-amz-content-sha256")].to_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
}
