//! What the server refuses, told apart: an operator reads it.

use vault::contract::Place;
use vault::{S3Options, S3Server, StoreErrorKind};

use super::server::{ACCESS_KEY, SECRET_KEY, Server, body, content, fresh, key};
use super::tap::Fault::Answer;

async fn checked_with(server: &Server, id: &str, secret: &str) -> vault::StoreError {
    let (endpoint_url, access_key_id) = (server.url.clone(), id.to_owned());
    let credentials = S3Server { endpoint_url, access_key_id, secret_access_key: secret.into() };
    let store = server.store(S3Options { server: Some(credentials), ..S3Options::default() }).await;
    store.check().await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_and_unknown_key_are_wrong_credentials() {
    let server = fresh().await;
    for (id, secret) in [(ACCESS_KEY, "another"), ("AKANOTHER", SECRET_KEY)] {
        let error = checked_with(&server, id, secret).await;
        assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("does not accept the AWS credentials"), "{error}");
        assert!(!error.to_string().contains(secret), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_right_is_named() {
    let server = fresh().await;
    let store = server.open().await;
    server.tap.play("PutObject", [Answer(403, "AccessDenied")]);
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied);
    assert!(error.to_string().contains("lack the right s3:PutObject"), "{error}");
    server.tap.play("DeleteObject", [Answer(403, "AccessDenied")]);
    let error = store.check().await.unwrap_err();
    assert!(error.to_string().contains("lack the right s3:DeleteObject"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_bucket_never_reads_as_an_object_that_is_gone() {
    let server = fresh().await;
    let store = server.open().await;
    server.remove_bucket();
    let target = key("RE1");
    let range_of_nothing = store.get(&target, 4, Some(4)).await.map(drop);
    let listed: Vec<_> = futures::StreamExt::collect(store.list("recordings/")).await;
    let listed = listed.into_iter().collect::<Result<Vec<_>, _>>().map(drop);
    let failed = [
        store.head(&target).await.map(drop),
        store.get(&target, 0, None).await.map(drop),
        range_of_nothing,
        store.delete(&target).await,
        listed,
    ];
    for error in failed.map(Result::unwrap_err) {
        assert_eq!(error.kind, StoreErrorKind::NoStore, "{error}");
        assert!(error.to_string().contains("there is no bucket calls"), "{error}");
    }
}

/// s3s-fs makes a bucket's folder where it lacks one.
#[tokio::test(flavor = "multi_thread")]
async fn put_into_a_missing_bucket_says_that_it_is_missing() {
    let mut moto = super::moto::fresh().await;
    moto.name.push_str("-another");
    let store = moto.open().await;
    for (length, told) in [(10, None), (6_000_000, None), (6_000_000, Some(6_000_000))] {
        let error = store.put(&key("RE1"), body(&content(length)), told).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NoStore, "{error}");
    }
    assert_eq!(store.check().await.unwrap_err().kind, StoreErrorKind::NoStore);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refusals_say_what_to_mend() {
    let refusals = [
        (301, "PermanentRedirect", StoreErrorKind::NoStore, "set AWS_REGION"),
        (403, "RequestTimeTooSkewed", StoreErrorKind::Denied, "clock is off"),
        (400, "ExpiredToken", StoreErrorKind::Denied, "have run out"),
        (400, "KMS.DisabledException", StoreErrorKind::Denied, "S3_SSE_KMS_KEY_ID"),
        (507, "XMinioStorageFull", StoreErrorKind::Full, "no space left"),
        (501, "NotImplemented", StoreErrorKind::Unsupported, "cannot do that"),
        (400, "InvalidRequest", StoreErrorKind::Unavailable, "InvalidRequest"),
    ];
    for (status, code, kind, words) in refusals {
        // Some are tried again; what is left of them goes with the server.
        let (server, answers) = (fresh().await, [Answer(status, code); 5]);
        server.tap.play("PutObject", answers);
        let error = server.open().await.put(&key("RE1"), body(b"content"), None).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn url_that_names_no_store_is_refused() {
    for url in ["s3:calls", "s3://", "s3:///prefix", "s3://calls/../other", "s4://calls", "calls", ""] {
        let error = vault::open_store(url, S3Options::default()).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unsupported, "{url}");
    }
}
