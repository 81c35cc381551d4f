//! Many objects deleted in a request, and what is done where that does not work.

use vault::contract::Place;
use vault::{ObjectKey, StoreErrorKind};

use super::moto::fresh_versioned;
use super::server::{Server, body, fresh, key};
use super::tap::Fault::{Answer, Pretend, With};

async fn three_objects(server: &Server) -> [ObjectKey; 3] {
    let (store, keys) = (server.open().await, ["RE1", "RE2", "RE3"].map(key));
    for key in &keys {
        store.put(key, body(b"content"), None).await.unwrap();
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_are_deleted_in_one_request() {
    let server = fresh().await;
    let keys = three_objects(&server).await;
    assert!(server.open().await.delete_all(&keys).await.iter().all(Result::is_ok));
    assert_eq!((server.tap.count("DeleteObjects"), server.tap.count("DeleteObject")), (1, 1));
    assert!(keys.iter().all(|key| !server.file(key).exists()));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_does_not_delete_many_at_once_deletes_each() {
    for (status, code) in [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "MalformedXML")] {
        let server = fresh().await;
        let keys = three_objects(&server).await;
        server.tap.play("DeleteObjects", [Answer(status, code)]);
        assert!(server.open().await.delete_all(&keys).await.iter().all(Result::is_ok), "{code}");
        assert!(keys.iter().all(|key| !server.file(key).exists()), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_overloaded_is_not_asked_for_each() {
    let server = fresh().await;
    let keys = three_objects(&server).await;
    server.tap.play("DeleteObjects", [Answer(503, "SlowDown"); 5]);
    let deleted = server.open().await.delete_all(&keys).await;
    assert!(matches!(&deleted[..], [Ok(()), Err(_), Err(_)]), "{deleted:?}");
    assert_eq!(deleted[1].as_ref().unwrap_err().kind, StoreErrorKind::Unavailable);
    assert_eq!((server.tap.count("DeleteObjects"), server.tap.count("DeleteObject")), (5, 1));
}

/// Some servers answer a request for many with the keys and nothing else, versions or not.
#[tokio::test(flavor = "multi_thread")]
async fn bucket_that_keeps_versions_is_never_asked_for_many() {
    let server = fresh().await;
    let keys = three_objects(&server).await;
    server.tap.play("DeleteObject", [With("x-amz-version-id", "1")]);
    let deleted = server.open().await.delete_all(&keys).await;
    assert!(deleted[0].is_err(), "this server has no list of versions to see that none is left");
    assert_eq!((server.tap.count("DeleteObjects"), server.tap.count("DeleteObject")), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_with_versions_leave_none() {
    let bucket = fresh_versioned().await;
    let (store, keys) = (bucket.open().await, ["RE1", "RE2", "RE3"].map(key));
    for _ in 0..2 {
        for key in &keys {
            store.put(key, body(b"content"), None).await.unwrap();
        }
    }
    assert!(store.delete_all(&keys).await.iter().all(Result::is_ok));
    assert_eq!(bucket.versions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_that_names_no_object_is_no_deletion() {
    let server = fresh().await;
    let keys = three_objects(&server).await;
    server.tap.play("DeleteObjects", [Pretend]);
    assert!(server.open().await.delete_all(&keys).await.iter().all(Result::is_ok));
    assert!(keys.iter().all(|key| !server.file(key).exists()));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_right_is_told_of_each_object() {
    let server = fresh().await;
    let keys = three_objects(&server).await;
    server.tap.play("DeleteObjects", [Answer(403, "AccessDenied")]);
    server.tap.play("DeleteObject", [Answer(403, "AccessDenied"); 3]);
    for error in server.open().await.delete_all(&keys).await.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("lack the right s3:DeleteObject"), "{error}");
    }
}
