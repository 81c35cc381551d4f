//! A URL that lets whoever has it put one object: AWS's signature, version 4, in the query.

use std::net::SocketAddr;

use aws_lc_rs::digest;
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use chrono::{DateTime, Utc};
use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY};

const SCOPE: &str = "us-east-1/s3/aws4_request";
const EXPIRES_SECS: u32 = 3600;

/// `path` is `/BUCKET/KEY`, in which nothing has to be encoded.
pub(crate) fn put_url(server: SocketAddr, path: &str, now: DateTime<Utc>) -> String {
    let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%SZ").to_string());
    let credential = format!("{ACCESS_KEY}/{day}/{SCOPE}").replace('/', "%2F");
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={time}&X-Amz-Expires={EXPIRES_SECS}\
         &X-Amz-SignedHeaders=host"
    );
    let request = format!("PUT\n{path}\n{query}\nhost:{server}\n\nhost\nUNSIGNED-PAYLOAD");
    let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/{SCOPE}\n{hash}");
    let secret = format!("AWS4{SECRET_KEY}");
    let key =
        [&day, "us-east-1", "s3", "aws4_request"].into_iter().fold(secret.into_bytes(), |key, part| mac(&key, part));
    format!("http://{server}{path}?{query}&X-Amz-Signature={}", hex(&mac(&key, &text)))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
