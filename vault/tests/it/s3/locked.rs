//! Buckets that keep versions and hold on to them, on moto.

use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use vault::StoreErrorKind;
use vault::contract::Place;

use super::moto::{Bucket, fresh, fresh_versioned};
use super::server::{body, content, key, read};

async fn fresh_locking() -> Bucket {
    let mut bucket = fresh().await;
    bucket.name.push_str("-lock");
    let create = bucket.client().create_bucket().bucket(&bucket.name);
    create.object_lock_enabled_for_bucket(true).send().await.unwrap();
    bucket
}

async fn hold(bucket: &Bucket, path: &str, status: ObjectLockLegalHoldStatus) {
    let hold = ObjectLockLegalHold::builder().status(status).build();
    let put = bucket.client().put_object_legal_hold().bucket(&bucket.name).key(path);
    put.legal_hold(hold).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_leaves_no_version_and_no_marker_of_the_key_alone() {
    let bucket = fresh_versioned().await;
    let store = bucket.open().await;
    let longer = "recordings/AC1/RE1.wav.age.v2".parse().unwrap();
    store.put(&longer, body(b"another's"), None).await.unwrap();
    for length in [10, 6_000_000, 20] {
        store.put(&key("RE1"), body(&content(length)), None).await.unwrap();
    }
    let path = format!("vault/{}", key("RE1"));
    bucket.client().delete_object().bucket(&bucket.name).key(path).send().await.unwrap();
    assert_eq!(bucket.versions().await, 5);
    store.delete(&key("RE1")).await.unwrap();
    assert_eq!(bucket.versions().await, 1);
    assert_eq!(read(store.as_ref(), &longer).await.unwrap(), b"another's");
}

#[tokio::test(flavor = "multi_thread")]
async fn object_under_a_hold_is_refused_and_stays_visible() {
    let bucket = fresh_locking().await;
    let store = bucket.open().await;
    store.put(&key("RE1"), body(b"evidence"), None).await.unwrap();
    let path = format!("vault/{}", key("RE1"));
    hold(&bucket, &path, ObjectLockLegalHoldStatus::On).await;
    store.put(&key("RE2"), body(b"another's"), None).await.unwrap();
    let mut with_another = store.delete_all(&[key("RE1"), key("RE2")]).await;
    assert!(with_another.pop().unwrap().is_ok());
    for refused in [store.delete(&key("RE1")).await, with_another.pop().unwrap()] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("Object Lock"), "{error}");
        assert_eq!(read(store.as_ref(), &key("RE1")).await.unwrap(), b"evidence");
    }
    hold(&bucket, &path, ObjectLockLegalHoldStatus::Off).await;
    store.delete(&key("RE1")).await.unwrap();
    assert_eq!(bucket.versions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_uploads_are_swept_on_moto_too() {
    let bucket = fresh().await;
    let store = bucket.open().await;
    bucket.begin_and_die(&key("RE1")).await;
    let a_year = std::time::Duration::from_secs(365 * 86_400);
    assert_eq!(store.sweep_unfinished(a_year).await.unwrap(), 1);
    assert_eq!(bucket.unfinished().await, 0);
}
