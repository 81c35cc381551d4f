//! A server that is overloaded, silent, cut off or lying.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use vault::contract::Place;
use vault::{Identities, S3Options, StoreErrorKind, Vault, VaultError, generate_identity_file};

use super::server::{body, content, fresh, key, read};
use super::tap::Fault::{Answer, CutAt, Hang, Pretend, Without};

#[tokio::test(flavor = "multi_thread")]
async fn overload_and_failure_are_tried_again() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Answer(503, "SlowDown"), Answer(500, "InternalError")]);
    store.put(&key("RE1"), body(b"content"), None).await.unwrap();
    assert_eq!(server.tap.count("PutObject"), 3);
    server.tap.play("UploadPart", [Answer(503, "SlowDown"), Answer(500, "InternalError")]);
    store.put(&key("RE2"), body(&content(12_000_000)), None).await.unwrap();
    assert!(read(store.as_ref(), &key("RE2")).await.unwrap() == content(12_000_000));
    for operation in ["HeadObject", "GetObject", "DeleteObject", "ListObjects"] {
        server.tap.play(operation, [Answer(503, "SlowDown")]);
    }
    assert_eq!(store.head(&key("RE1")).await.unwrap().unwrap().bytes, 7);
    assert_eq!(read(store.as_ref(), &key("RE1")).await.unwrap(), b"content");
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_that_lasts_is_unavailable_and_leaves_nothing() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("UploadPart", [Answer(503, "SlowDown"); 20]);
    let error = store.put(&key("RE1"), body(&content(12_000_000)), None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert_eq!(server.unfinished().await, 0);
    assert_eq!(store.head(&key("RE1")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_in_an_answer_of_200_is_an_error() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("CompleteMultipartUpload", [Answer(200, "InternalError"); 20]);
    let error = store.put(&key("RE1"), body(&content(6_000_000)), None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert_eq!((store.head(&key("RE1")).await.unwrap(), server.unfinished().await), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_that_was_ended_behind_its_back_is_no_object_that_is_missing() {
    let server = fresh().await;
    let store = server.open().await;
    for operation in ["UploadPart", "CompleteMultipartUpload"] {
        server.tap.play(operation, [Answer(404, "NoSuchUpload")]);
        let error = store.put(&key("RE1"), body(&content(6_000_000)), None).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }
    store.put(&key("RE1"), body(&content(6_000_000)), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_server_is_unavailable_after_the_time_limit() {
    let server = fresh().await;
    let store = server.store(S3Options { answer_timeout: Duration::from_millis(100), ..server.options() }).await;
    server.tap.play("HeadObject", [Hang]);
    assert_eq!(store.head(&key("RE1")).await.unwrap(), None, "one lost answer is made up for");
    server.tap.play("HeadObject", [Hang; 20]);
    let error = store.head(&key("RE1")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = super::server::options(&format!("http://127.0.0.1:{port}"));
    let store = vault::open_store("s3://calls", options).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_cut_goes_on_where_it_broke_off() {
    let server = fresh().await;
    let store = server.open().await;
    let whole = content(3_000_000);
    store.put(&key("RE1"), body(&whole), None).await.unwrap();
    server.tap.play("GetObject", [CutAt(0), CutAt(1_000_000), CutAt(70_001)]);
    assert!(read(store.as_ref(), &key("RE1")).await.unwrap() == whole);
    assert_eq!(server.tap.count("GetObject"), 4);
    let last = server.tap.last("GetObject").headers;
    assert_eq!(last["range"], "bytes=1070001-2999999");
    assert!(last.contains_key("if-match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn range_that_is_cut_goes_on_to_its_own_end() {
    let server = fresh().await;
    let store = server.open().await;
    let whole = content(300_000);
    store.put(&key("RE1"), body(&whole), None).await.unwrap();
    server.tap.play("GetObject", [CutAt(50_000)]);
    let got = store.get(&key("RE1"), 100_000, Some(200_000)).await.unwrap();
    let got: Vec<Bytes> = got.try_collect().await.unwrap();
    assert!(got.concat() == whole[100_000..200_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_fails_while_it_is_read_is_no_damaged_object() {
    let server = fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity.txt");
    let recipients = generate_identity_file(&identity).unwrap();
    let vault = Vault::new(server.open().await, recipients, Some(Identities::from_file(&identity).unwrap()));
    vault.seal(&key("RE1"), body(&content(2_000_000)), None).await.unwrap();
    server.tap.play("GetObject", [CutAt(200_000); 30]);
    let opened = vault.open(&key("RE1")).await.unwrap();
    let error = VaultError::of_body(opened.try_collect::<Vec<_>>().await.unwrap_err());
    assert!(matches!(error, VaultError::Store(ref store) if store.kind == StoreErrorKind::Unavailable), "{error:?}");
    let error = vault.read(&key("RE1"), 4_000_000).await.unwrap_err();
    assert!(matches!(error, VaultError::Store(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_cut_again_and_again_is_an_error() {
    let server = fresh().await;
    let store = server.open().await;
    store.put(&key("RE1"), body(&content(300_000)), None).await.unwrap();
    server.tap.play("GetObject", [CutAt(20_000); 30]);
    assert!(read(store.as_ref(), &key("RE1")).await.is_err());
    assert_eq!(server.tap.count("GetObject"), 9);
}

/// s3s-fs pays no heed to If-Match.
#[tokio::test(flavor = "multi_thread")]
async fn object_replaced_while_it_is_read_is_an_error_and_no_mixture() {
    let server = fresh().await;
    let store = server.open().await;
    store.put(&key("RE1"), body(&vec![1; 300_000]), None).await.unwrap();
    server.tap.play("GetObject", [CutAt(100_000)]);
    let mut got = store.get(&key("RE1"), 0, None).await.unwrap();
    let mut first = 0;
    while first < 100_000 {
        first += got.next().await.unwrap().unwrap().len();
    }
    store.put(&key("RE1"), body(&vec![2; 300_000]), None).await.unwrap();
    let error = got.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("was replaced"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn put_that_the_server_only_says_it_did_is_an_error() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Pretend]);
    let error = store.put(&key("RE1"), body(b"content"), None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_checksums_is_asked_what_it_has() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Without("x-amz-checksum-crc32")]);
    store.put(&key("RE1"), body(b"content"), None).await.unwrap();
    assert_eq!(server.tap.count("HeadObject"), 1);
}
