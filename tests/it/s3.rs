//! The main job with its vault in an S3 bucket that keeps versions: moto, which scripts/with-test-servers runs.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use simulator::{CallPlan, CallbackPlan, MediaPlan};
use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY, WITHOUT};

use crate::bucket::Bucket;
use crate::fleet::{Fleet, until};
use crate::whole::assert_opens;

const CALLS: usize = 12;

async fn fleet(bucket: &Bucket) -> Fleet {
    let mut fleet = Fleet::new().await;
    let identity = fleet.folder.path().join("identity.txt").display().to_string();
    assert!(fleet.run(&["keys", "generate", "--output", &identity]).status.success());
    fleet.settings.retain(|(name, _)| *name != "RECORDINGS_BUCKET");
    fleet.settings.extend([
        ("RECORDINGS_BUCKET", format!("s3://{}/vault", bucket.name())),
        ("S3_SSE", "aws:kms".to_owned()),
        ("S3_SSE_KMS_KEY_ID", "alias/recordings".to_owned()),
        ("AWS_ENDPOINT_URL", bucket.server().to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKTEST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "a secret of the tests".to_owned()),
        // Empty counts as unset; without it AWS_ENDPOINT_URL is what is used.
        ("AWS_ENDPOINT_URL_S3", String::new()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("ENCRYPTION_IDENTITY_FILE", identity),
    ]);
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_live_in_a_bucket_and_leave_no_version_behind() {
    let bucket = Bucket::fresh().await;
    let fleet = fleet(&bucket).await;
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    #[expect(
        clippy::disallowed_methods,
        reason = "calls past their date, as seen by processes with the system's clock"
    )]
    let started = Utc::now() - TimeDelta::days(40);
    for index in 0..CALLS as u64 {
        let callbacks = CallbackPlan { duplicates: u32::from(index.is_multiple_of(4)), ..CallbackPlan::default() };
        fleet.twilio.place_call(CallPlan { callbacks, ..CallPlan::nth(index, started) }).await;
    }
    fleet.settled(CALLS, &["transcribed"]).await;
    let mut expected = BTreeSet::new();
    for truth in fleet.twilio.recordings() {
        let sid = truth.recording_sid.as_str();
        assert_opens(&fleet, sid);
        let shown = fleet.show(sid);
        for object in [&shown["media"]["object"], &shown["transcript"]["object"]] {
            let key = format!("vault/{}", object.as_str().unwrap());
            let head = bucket.head(&key).await;
            assert_eq!(head["x-amz-server-side-encryption"], "aws:kms", "{key}");
            assert_eq!(head["x-amz-server-side-encryption-aws-kms-key-id"], "alias/recordings", "{key}");
            expected.insert(key);
        }
    }
    assert_eq!(bucket.keys().await.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(fleet.json(&["retention"])[0]["due"], CALLS);
    fleet.settled(CALLS, &["deleted"]).await;
    assert_eq!(bucket.keys().await, [""; 0]);
    drop(serving);
}

/// What `check` says of the store.
pub(crate) fn checked(fleet: &Fleet) -> (bool, String) {
    let output = fleet.run(&["check", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let findings = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let store = findings.into_iter().find(|finding| finding["what"] == "store").unwrap();
    (store["ok"].as_bool().unwrap(), store["detail"].as_str().unwrap().to_owned())
}

/// Twelve minutes of audio: one request with a checksum behind it; without checksums over plain http, three parts.
#[tokio::test(flavor = "multi_thread")]
async fn long_recording_goes_through_a_server_that_takes_no_checksums() {
    for (calculation, has_checksum) in [("when_supported", true), ("when_required", false)] {
        let bucket = Bucket::fresh().await;
        let mut fleet = fleet(&bucket).await;
        fleet.set("AWS_REQUEST_CHECKSUM_CALCULATION", calculation);
        let _serving = fleet.serve(true).await;
        #[expect(clippy::disallowed_methods, reason = "a recent call, as seen by processes with the system's clock")]
        let started = Utc::now() - TimeDelta::hours(1);
        let media = MediaPlan::Synthetic { bytes: 12_000_000 };
        let placed = fleet.twilio.place_call(CallPlan { media, ..CallPlan::nth(0, started) }).await;
        let sid = placed.recording_sid.as_str();
        until("it is heard of", async || fleet.json(&["recordings", "list"]).len() == 1).await;
        until("it is archived", async || !fleet.show(sid)["media"].is_null()).await;
        assert_opens(&fleet, sid);
        let key = format!("vault/{}", fleet.show(sid)["media"]["object"].as_str().unwrap());
        let head = bucket.head(&key).await;
        let e_tag = head["etag"].to_str().unwrap();
        assert_eq!(e_tag.ends_with("-3\""), !has_checksum, "{calculation}: {e_tag}");
        assert_eq!(head.contains_key("x-amz-checksum-crc32"), has_checksum, "{calculation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_is_wrong_with_the_bucket() {
    let bucket = Bucket::fresh().await;
    let mut fleet = fleet(&bucket).await;
    let (is_ok, detail) = checked(&fleet);
    assert!(is_ok, "{detail}");
    assert_eq!(bucket.keys().await, [""; 0], "the check leaves nothing");
    fleet.set("RECORDINGS_BUCKET", "s3://nobodys-bucket");
    let (is_ok, detail) = checked(&fleet);
    assert!(!is_ok && detail.contains("there is no bucket nobodys-bucket"), "{detail}");
    fleet.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let (is_ok, detail) = checked(&fleet);
    assert!(!is_ok && detail.contains("http://127.0.0.1:9 cannot be reached"), "{detail}");
    fleet.set("AWS_ACCESS_KEY_ID", "");
    let (is_ok, detail) = checked(&fleet);
    assert!(!is_ok && detail.contains("no AWS credentials"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_wrong_credentials_from_each_missing_right() {
    let mut fleet = Fleet::on_rabbitmq().await;
    let (is_ok, detail) = checked(&fleet);
    assert!(is_ok, "{detail}");
    for right in ["PutObject", "GetObject", "DeleteObject", "ListObjectsV2"] {
        fleet.set("AWS_ACCESS_KEY_ID", format!("{WITHOUT}{right}"));
        let (is_ok, detail) = checked(&fleet);
        let named = format!("lack the right s3:{}", if right == "ListObjectsV2" { "ListBucket" } else { right });
        assert!(!is_ok && detail.contains(&named), "{right}: {detail}");
    }
    for (key, secret) in [(ACCESS_KEY, "not-the-secret"), ("AKNOBODY", SECRET_KEY)] {
        fleet.set("AWS_ACCESS_KEY_ID", key);
        fleet.set("AWS_SECRET_ACCESS_KEY", secret);
        let (is_ok, detail) = checked(&fleet);
        assert!(!is_ok && detail.contains("does not accept the AWS credentials"), "{key}: {detail}");
        assert!(!detail.contains(secret), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_waits_for_a_bucket_that_is_missing_and_goes_on_once_it_is_there() {
    let bucket = Bucket::fresh().await;
    let mut fleet = fleet(&bucket).await;
    let late = format!("{}-late", bucket.name());
    fleet.set("RECORDINGS_BUCKET", format!("s3://{late}"));
    let _serving = fleet.serve(true).await;
    #[expect(clippy::disallowed_methods, reason = "a recent call")]
    let placed = fleet.twilio.place_call(CallPlan::nth(0, Utc::now() - TimeDelta::hours(1))).await;
    until("it is heard of", async || fleet.json(&["recordings", "list"]).len() == 1).await;
    assert_eq!(fleet.show(placed.recording_sid.as_str())["status"], "received");
    assert!(reqwest::Client::new().put(format!("{}-late", bucket.url)).send().await.unwrap().status().is_success());
    fleet.settled(1, &["transcribed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_encryption_is_a_wrong_setting() {
    let mut fleet = Fleet::new().await;
    for (sse, key_id, named) in [
        ("aes256", "", "S3_SSE:"),
        ("AES256", "alias/recordings", "S3_SSE_KMS_KEY_ID:"),
        ("none", "x", "S3_SSE_KMS_KEY_ID:"),
    ] {
        fleet.set("S3_SSE", sse);
        fleet.set("S3_SSE_KMS_KEY_ID", key_id);
        let output = fleet.run(&["settings"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.contains(named)), (Some(2), true), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn url_that_names_no_bucket_is_a_wrong_setting_and_is_not_repeated() {
    let mut fleet = Fleet::new().await;
    for url in ["s3://", "s3://AKTEST:speak-friend@calls"] {
        fleet.set("RECORDINGS_BUCKET", url);
        let output = fleet.run(&["worker"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.contains("RECORDINGS_BUCKET:")), (Some(2), true), "{stderr}");
        assert!(!stderr.contains("speak-friend"), "{stderr}");
    }
}
