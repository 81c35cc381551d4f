//! What AWS's own Python library and Debian's `age` make of what the store has written.

use std::path::Path;
use std::process::Command;

use vault::contract::Place;
use vault::{Identities, Vault, generate_identity_file};

use super::server::{ACCESS_KEY, SECRET_KEY, body, content, fresh, key};
use super::{moto, server};
use crate::age::age;

/// Gets an object into a file with boto3, which checks the checksum; returns what boto3 says of that checksum.
fn download(url: &str, bucket: &str, path: &str, to: &Path) -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = package.join("../target/test-tools/venv/bin/python");
    assert!(python.exists(), "{} is missing: run make test, which installs it", python.display());
    let ran = Command::new(python)
        .arg(package.join("tests/it/s3/download.py"))
        .args([url, bucket, path])
        .arg(to)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_reads_what_was_put_and_finds_its_checksum_right() {
    let bucket = moto::fresh().await;
    let store = bucket.open().await;
    let folder = tempfile::tempdir().unwrap();
    for (length, told) in [(0, None), (700_000, None), (12_000_000, None), (700_000, Some(700_000))] {
        store.put(&key("RE1"), body(&content(length)), told).await.unwrap();
        let to = folder.path().join("object");
        let checked = download(&bucket.url, &bucket.name, &format!("vault/{}", key("RE1")), &to);
        assert!(std::fs::read(&to).unwrap() == content(length), "{length} bytes differ");
        assert_eq!(checked, "CRC32 FULL_OBJECT", "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn age_opens_what_boto3_reads_from_a_server_that_checks_signatures() {
    let server = fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity.txt");
    let recipients = generate_identity_file(&identity).unwrap();
    let vault = Vault::new(server.open().await, recipients, Some(Identities::from_file(&identity).unwrap()));
    let plain = content(8_000_000);
    for told in [None, Some(plain.len() as u64)] {
        vault.seal(&key("RE1"), body(&plain), told).await.unwrap();
        let to = folder.path().join("RE1.wav.age");
        download(&server.url, server::BUCKET, &format!("vault/{}", key("RE1")), &to);
        assert!(age(&["-d", "-i", "identity.txt", "RE1.wav.age"], folder.path()) == plain);
    }
}
