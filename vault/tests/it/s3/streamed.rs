//! Objects of known length: one request that carries them as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vault::contract::Place;
use vault::{ByteStream, S3Options, StoreErrorKind};

use super::server::{Server, body, content, fresh, key, options, read, until};
use super::tap::Fault::{Answer, Mute, Without};

/// Longer than what is held to be sent again, and than a part.
const LENGTH: usize = 12_000_000;
const TOLD: Option<u64> = Some(LENGTH as u64);
const PIECE: usize = 64 * 1024;

/// A store that waits only so long for its server, and ten times that for an answer.
async fn impatient(server: &Server, answer_timeout: Duration) -> Arc<dyn vault::ObjectStore> {
    server.store(S3Options { answer_timeout, ..server.options() }).await
}

/// A body of a gigabyte, and how much was taken of it.
fn endless() -> (ByteStream, Option<u64>, Arc<AtomicUsize>) {
    let (pieces, taken) = (16_384, Arc::new(AtomicUsize::new(0)));
    let (counted, piece) = (Arc::clone(&taken), Bytes::from(vec![7; PIECE]));
    let body = stream::repeat_with(move || {
        counted.fetch_add(PIECE, Ordering::SeqCst);
        Ok(piece.clone())
    });
    (body.take(pieces).boxed(), Some((pieces * PIECE) as u64), taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn object_of_known_length_is_one_request_with_its_checksum_behind_it() {
    let server = fresh().await;
    let store = server.open().await;
    store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap();
    assert!(read(store.as_ref(), &key("RE1")).await.unwrap() == content(LENGTH));
    let headers = server.tap.last("PutObject").headers;
    assert_eq!(headers["x-amz-decoded-content-length"], LENGTH.to_string());
    assert!(headers["content-length"].to_str().unwrap().parse::<usize>().unwrap() > LENGTH);
    assert_eq!(headers["x-amz-trailer"], "x-amz-checksum-crc32");
    // This server is one without TLS: the SDK by itself would sign each chunk.
    assert_eq!(headers["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert!(!headers.contains_key("transfer-encoding"));
    assert_eq!(server.tap.count("PutObject"), 1);
    for other in ["CreateMultipartUpload", "UploadPart", "HeadObject"] {
        assert_eq!(server.tap.count(other), 0, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn object_of_unknown_length_goes_in_parts() {
    let server = fresh().await;
    let store = server.open().await;
    store.put(&key("RE1"), body(&content(LENGTH)), None).await.unwrap();
    assert_eq!((server.tap.count("UploadPart"), server.tap.count("PutObject")), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_failed_with_streams_gets_parts_for_a_while() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Answer(501, "NotImplemented"); 3]);
    for _ in 0..3 {
        store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap_err();
    }
    store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap();
    assert_eq!((server.tap.count("UploadPart"), server.tap.count("PutObject")), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_of_known_length_is_tried_again() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Answer(503, "SlowDown")]);
    store.put(&key("RE1"), body(&content(300_000)), Some(300_000)).await.unwrap();
    assert_eq!(server.tap.count("PutObject"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_object_is_tried_once_and_leaves_nothing() {
    let server = fresh().await;
    let refusals = [(503, "SlowDown", StoreErrorKind::Unavailable), (403, "AccessDenied", StoreErrorKind::Denied)];
    for (at, (status, code, kind)) in refusals.into_iter().enumerate() {
        server.tap.play("PutObject", [Answer(status, code)]);
        let store = server.open().await;
        let error = store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap_err();
        // A server that answers without reading may hang up before its answer is read.
        assert!([kind, StoreErrorKind::Unavailable].contains(&error.kind), "{error}");
        assert_eq!((server.tap.count("PutObject"), store.head(&key("RE1")).await.unwrap()), (at + 1, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_reads_nothing_is_given_little_and_waited_for_so_long() {
    let server = fresh().await;
    server.tap.hold("PutObject");
    let store = impatient(&server, Duration::from_millis(300)).await;
    let (body, told, taken) = endless();
    let error = store.put(&key("RE1"), body, told).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("stopped taking it"), "{error}");
    // The system's socket buffers take some; of ours it is half a megabyte.
    assert!(taken.load(Ordering::SeqCst) < 16 << 20, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_slower_than_the_server_may_be_is_waited_for() {
    let server = fresh().await;
    let store = impatient(&server, Duration::from_secs(1)).await;
    let pause = stream::once(async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(Bytes::new())
    });
    let halves = (body(&content(LENGTH)[..6_000_000]), body(&content(LENGTH)[6_000_000..]));
    let slow = halves.0.chain(pause).chain(halves.1).boxed();
    store.put(&key("RE1"), slow, TOLD).await.unwrap();
    assert!(read(store.as_ref(), &key("RE1")).await.unwrap() == content(LENGTH));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_takes_all_and_says_nothing_is_waited_for_so_long() {
    let server = fresh().await;
    let store = impatient(&server, Duration::from_millis(200)).await;
    server.tap.play("PutObject", [Mute]);
    let began = std::time::Instant::now();
    let error = store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("stopped taking it"), "{error}");
    // Ten times as long as to take a piece of it, and not before it had all.
    assert!(began.elapsed() >= Duration::from_secs(2) && server.file(&key("RE1")).exists(), "{:?}", began.elapsed());
}

/// Says of every request that it did it, as soon as it has heard its beginning.
async fn answer_at_once(mut connection: TcpStream) {
    let done = "HTTP/1.1 200 OK\r\netag: \"1\"\r\nx-amz-checksum-crc32: AAAAAA==\r\ncontent-length: 0\r\n\r\n";
    connection.read_exact(&mut [0; 16]).await.unwrap();
    connection.write_all(done.as_bytes()).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_says_it_has_all_before_it_was_given_it_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer_at_once(connection));
        }
    });
    let store = vault::open_store("s3://calls", options(&url)).await.unwrap();
    let (body, told, _) = endless();
    let error = store.put(&key("RE1"), body, told).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("before it had taken all"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_dies_in_the_middle_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.read_exact(&mut vec![0; 3_000_000]).await.unwrap();
    });
    let store = vault::open_store("s3://calls", options(&url)).await.unwrap();
    let error = store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn put_that_is_dropped_takes_its_request_along() {
    let server = fresh().await;
    let store = server.open().await;
    let stalled = body(&content(6_000_000)).chain(stream::pending()).boxed();
    let target = key("RE1");
    let mut put = Box::pin(store.put(&target, stalled, TOLD));
    let begun = until("it is under way", async || server.tap.under_way("PutObject") == 1);
    tokio::select! { _ = &mut put => panic!("a stalled body never ends"), () = begun => {} }
    drop(put);
    until("the server is rid of it", async || server.tap.under_way("PutObject") == 0).await;
    assert_eq!(store.head(&key("RE1")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_repeats_no_checksum_is_asked_what_it_has() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Without("x-amz-checksum-crc32")]);
    store.put(&key("RE1"), body(&content(LENGTH)), TOLD).await.unwrap();
    assert_eq!(server.tap.count("HeadObject"), 1);
}
