//! Large objects: how many parts are in memory and under way, and what becomes of them when the put does not end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use vault::contract::Place;
use vault::{ByteStream, S3Options, StoreErrorKind};

use super::server::{body, content, fresh, key, read, until};

const PART: usize = 5 << 20;
const PIECE: usize = 64 * 1024;
/// What a put may hold beside the shared buffers: its beginning, and a piece that waits.
const BESIDE: usize = 512 * 1024 + 2 * PIECE;

/// A body that never ends, and counts what was taken of it.
fn endless(taken: &Arc<AtomicUsize>) -> ByteStream {
    let taken = Arc::clone(taken);
    let piece = Bytes::from(vec![7; PIECE]);
    stream::repeat_with(move || {
        taken.fetch_add(PIECE, Ordering::SeqCst);
        Ok(piece.clone())
    })
    .boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_together_hold_no_more_than_the_bound() {
    let server = fresh().await;
    server.tap.hold("UploadPart");
    let store = server.store(S3Options { buffer_bytes: 3 * PART, ..server.options() }).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let puts: Vec<_> = (0..32)
        .map(|at| {
            let (store, body) = (Arc::clone(&store), endless(&taken));
            tokio::spawn(async move { store.put(&key(&format!("RE{at}")), body, None).await })
        })
        .collect();
    until("all buffers are on their way", async || server.tap.under_way("UploadPart") == 3).await;
    until("every put has begun", async || taken.load(Ordering::SeqCst) >= 3 * PART + 29 * 512 * 1024).await;
    // Time in which a put that does not wait would go on.
    for _ in 0..50 {
        assert_eq!(store.head(&key("RE")).await.unwrap(), None);
    }
    let most = 3 * PART + 32 * BESIDE;
    assert!(taken.load(Ordering::SeqCst) <= most, "{} of {most}", taken.load(Ordering::SeqCst));
    assert_eq!(server.tap.most_at_once("UploadPart"), 3);
    puts.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_puts_than_buffers_all_come_to_their_end() {
    let server = fresh().await;
    let store = server.store(S3Options { buffer_bytes: 2 * PART, ..server.options() }).await;
    let contents: Vec<_> = (0..6).map(|at| content(11_000_000 + at)).collect();
    let keys: Vec<_> = (0..6).map(|at| key(&format!("RE{at}"))).collect();
    let puts = contents.iter().zip(&keys).map(|(content, key)| store.put(key, body(content), None));
    for (put, content) in futures::future::join_all(puts).await.into_iter().zip(&contents) {
        assert_eq!(put.unwrap(), content.len() as u64);
    }
    for (content, key) in contents.iter().zip(&keys) {
        assert!(read(store.as_ref(), key).await.unwrap() == *content, "{key} differs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_one_object_in_flight_are_bounded() {
    let server = fresh().await;
    server.tap.hold("UploadPart");
    let store = server.store(server.options()).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let put = tokio::spawn({
        let (store, body) = (Arc::clone(&store), endless(&taken));
        async move { store.put(&key("RE1"), body, None).await }
    });
    until("a fifth part is ready", async || taken.load(Ordering::SeqCst) > 5 * PART).await;
    for _ in 0..50 {
        store.head(&key("RE1")).await.unwrap();
    }
    assert_eq!(server.tap.most_at_once("UploadPart"), 4);
    assert!(taken.load(Ordering::SeqCst) <= 5 * PART + BESIDE);
    put.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_of_a_body_that_breaks_off_is_aborted_before_the_put_returns() {
    let server = fresh().await;
    let store = server.open().await;
    let tap = Arc::clone(&server.tap);
    let cut = stream::once(async move {
        for _ in 0..3_000 {
            if tap.count("UploadPart") == 2 {
                return Err(io::Error::other("cut"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("two parts are not on their way");
    });
    let broken = body(&content(12_000_000)).chain(cut).boxed();
    assert_eq!(store.put(&key("RE1"), broken, None).await.unwrap_err().kind, StoreErrorKind::Source);
    assert_eq!((server.tap.count("AbortMultipartUpload"), server.unfinished().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_of_a_put_that_is_dropped_is_aborted() {
    let server = fresh().await;
    let store = server.open().await;
    let stalled = body(&content(12_000_000)).chain(stream::pending()).boxed();
    let target = key("RE1");
    let mut put = Box::pin(store.put(&target, stalled, None));
    // Before, the server may have begun an upload that the store does not know of yet.
    let begun = until("a part is on its way", async || server.tap.count("UploadPart") > 0);
    tokio::select! { _ = &mut put => panic!("a stalled body never ends"), () = begun => {} }
    drop(put);
    until("it is aborted", async || server.unfinished().await == 0).await;
    assert_eq!(store.head(&key("RE1")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_is_one_request_and_no_more() {
    let server = fresh().await;
    let store = server.open().await;
    for length in [1, 600_000, PART] {
        store.put(&key("RE1"), body(&content(length)), None).await.unwrap();
    }
    assert_eq!(server.tap.count("PutObject"), 3);
    for other in ["CreateMultipartUpload", "HeadObject", "HeadBucket"] {
        assert_eq!(server.tap.count(other), 0, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_takes_only_what_the_store_would_have_written() {
    let server = fresh().await;
    let store = server.open().await;
    let client = super::server::client(&server.url);
    for path in ["vault/recordings/AC1/RE1.wav.age", "vault/holiday.mov", "elsewhere/RE1.wav.age"] {
        client.create_multipart_upload().bucket(super::server::BUCKET).key(path).send().await.unwrap();
    }
    until("the one is swept", async || store.sweep_unfinished(Duration::ZERO).await.unwrap() == 1).await;
    assert_eq!(server.unfinished().await, 2);
}
