//! What the store says on the wire, and what a server that understands it makes of it.

use aws_sdk_s3::types::ServerSideEncryption;
use vault::contract::Place;
use vault::{S3Encryption, S3Options, StoreErrorKind};

use super::server::{body, content, fresh, key};
use super::{moto, server};

/// What goes whole, in parts, and streams.
const WAYS: [(usize, Option<u64>); 3] = [(10, None), (6_000_000, None), (6_000_000, Some(6_000_000))];

fn encrypted(url: &str, encryption: S3Encryption) -> S3Options {
    S3Options { encryption, ..server::options(url) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_is_under_a_checksum_that_is_signed() {
    let server = fresh().await;
    let store = server.open().await;
    for (length, operation) in [(10, "PutObject"), (6_000_000, "UploadPart")] {
        store.put(&key("RE1"), body(&content(length)), None).await.unwrap();
        let headers = server.tap.last(operation).headers;
        assert!(headers.contains_key("x-amz-checksum-crc32"), "{operation}");
        assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD", "{operation}");
        assert!(headers["authorization"].to_str().unwrap().contains("x-amz-checksum-crc32"), "{operation}");
    }
    let begun = server.tap.last("CreateMultipartUpload").headers;
    assert_eq!(
        (&begun["x-amz-checksum-algorithm"], &begun["x-amz-checksum-type"]),
        (&"CRC32".parse().unwrap(), &"FULL_OBJECT".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_that_is_asked_for_is_what_the_server_has() {
    let bucket = moto::fresh().await;
    let kms = S3Encryption::Kms { key_id: Some("alias/recordings".to_owned()) };
    let asked = [(S3Encryption::Aes256, ServerSideEncryption::Aes256), (kms, ServerSideEncryption::AwsKms)];
    for (encryption, expected) in asked {
        let store = bucket.store(encrypted(&bucket.url, encryption)).await;
        for (length, told) in WAYS {
            store.put(&key("RE1"), body(&content(length)), told).await.unwrap();
            let head = bucket.client().head_object().bucket(&bucket.name).key(format!("vault/{}", key("RE1")));
            let head = head.send().await.unwrap();
            assert_eq!(head.server_side_encryption(), Some(&expected), "{length}");
            let key_id = (expected == ServerSideEncryption::AwsKms).then_some("alias/recordings");
            assert_eq!(head.ssekms_key_id(), key_id, "{length}");
        }
    }
}

/// s3s-fs takes the header and does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn server_that_ignores_the_encryption_gets_nothing() {
    let server = fresh().await;
    let store = server.store(encrypted(&server.url, S3Encryption::Aes256)).await;
    for (length, told) in WAYS {
        let error = store.put(&key("RE1"), body(&content(length)), told).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("S3_SSE"), "{error}");
        assert!(!server.file(&key("RE1")).exists());
    }
    assert_eq!(server.unfinished().await, 0);
}
