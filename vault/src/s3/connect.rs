//! The way to a bucket: its URL, the client, and how long it waits.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use secrecy::{ExposeSecret, SecretString};

use super::bucket::Bucket;
use super::patience::Patience;
use super::plain_http;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;

const MIB: usize = 1 << 20;
const ATTEMPTS: u32 = 5;
/// The first pause is a random part of this; each further one of twice as much.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MOST: Duration = Duration::from_secs(10);
/// A transfer that moves not a byte for so long is broken off, and tried again.
const STALL: Duration = Duration::from_secs(20);

/// Encryption by the server, on top of the vault's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum S3Encryption {
    /// None is asked for: the bucket's own default.
    #[default]
    BucketDefault,
    /// Keys of S3 (SSE-S3).
    Aes256,
    /// A key of KMS (SSE-KMS): its id, ARN or alias; `None` is the account's own key for S3.
    Kms {
        /// Which.
        key_id: Option<String>,
    },
}

/// An S3 server and a key for it, where AWS's own variables and files are not to name them.
#[derive(Debug, Clone)]
pub struct S3Server {
    /// `https://…`
    pub endpoint_url: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: SecretString,
}

/// What an S3 store takes beside its URL.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// Asked of the server for every object.
    pub encryption: S3Encryption,
    /// Most bytes of objects under way in memory, over all puts of the store together; at least one part (5 MiB) is.
    pub buffer_bytes: usize,
    /// How long the server has to answer a request that carries no object's bytes, and to take more of one that does.
    pub answer_timeout: Duration,
    /// `None`: AWS's own variables, profile and roles name region, credentials and endpoint.
    pub server: Option<S3Server>,
}

impl Default for S3Options {
    fn default() -> Self {
        let encryption = S3Encryption::default();
        S3Options { encryption, buffer_bytes: 64 * MIB, answer_timeout: Duration::from_secs(20), server: None }
    }
}

pub(super) async fn connect(location: &str, options: S3Options) -> Result<Bucket, StoreError> {
    let (name, prefix) = bucket_and_prefix(location)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(server) = &options.server {
        let secret = server.secret_access_key.expose_secret();
        loader = loader.credentials_provider(Credentials::new(&server.access_key_id, secret, None, None, "settings"));
    }
    if options.server.is_some() || has_endpoint_alone() {
        loader = loader.region(Region::from_static("us-east-1"));
    }
    let loaded = loader.load().await;
    let endpoint = match &options.server {
        Some(server) => Some(server.endpoint_url.clone()),
        None => variable("AWS_ENDPOINT_URL_S3").or_else(|| loaded.endpoint_url().map(str::to_owned)),
    };
    let endpoint = endpoint.filter(|url| !url.is_empty());
    let Some(region) = loaded.region().map(ToString::to_string) else {
        return Err(StoreError::new(StoreErrorKind::Unsupported, "no AWS region is named: set AWS_REGION"));
    };
    let patience = Patience::new(options.answer_timeout);
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    let mut config = Builder::from(&loaded)
        // Few servers but Amazon's have a host name for each bucket.
        .force_path_style(endpoint.is_some())
        .retry_config(retries.with_initial_backoff(BACKOFF_FIRST).with_max_backoff(BACKOFF_MOST))
        .timeout_config(patience.without_object())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL).build())
        // Every read is authenticated by the seal, ranges too, and some servers tell a checksum of something else.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    config.set_endpoint_url(endpoint.clone());
    if let Some(told) = endpoint.as_deref().and_then(plain_http::as_the_sdk_is_told) {
        config = config.endpoint_url(told).http_client(plain_http::client());
    }
    let sends_checksums = loaded.request_checksum_calculation() != Some(RequestChecksumCalculation::WhenRequired);
    Ok(Bucket {
        client: Client::from_conf(config.build()),
        name: name.into(),
        prefix: prefix.into(),
        encryption: options.encryption,
        patience,
        sends_checksums,
        signs_payload: signs_payload(sends_checksums, endpoint.as_deref()),
        place: endpoint.map_or_else(|| format!("Amazon S3, {region}"), |url| without_userinfo(&url)).into(),
        streaming: Default::default(),
        last_seen: Default::default(),
    })
}

/// Only where nothing else would tell that bytes arrived as they were sent.
fn signs_payload(sends_checksums: bool, endpoint: Option<&str>) -> bool {
    !sends_checksums && endpoint.is_some_and(|url| url.starts_with("http:"))
}

/// Beside a server of one's own the region is mostly a word it does not read: where none is named, none is looked for in
/// the machine's metadata, which takes seconds where there is none.
fn has_endpoint_alone() -> bool {
    let is_set = |names: &[&str]| names.iter().any(|name| variable(name).is_some());
    is_set(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
        && !is_set(&["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"])
}

/// As all of callvault's settings, an empty variable counts as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The URL as errors may repeat it: whatever is ahead of an `@` may hold a password.
fn without_userinfo(url: &str) -> String {
    let Some((ahead, place)) = url.rsplit_once('@') else { return url.to_owned() };
    ahead.split_once("://").map_or_else(|| place.to_owned(), |(scheme, _)| format!("{scheme}://{place}"))
}

/// `//bucket/prefix` as the bucket's name and the prefix with its last slash. An error does not repeat `location`: keys
/// are put there by mistake (`s3://KEY:SECRET@bucket`).
fn bucket_and_prefix(location: &str) -> Result<(&str, String), StoreError> {
    let path = location.strip_prefix("//").unwrap_or_default();
    let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let is_right =
        !name.is_empty() && name.bytes().all(is_name) && (prefix.is_empty() || prefix.parse::<ObjectKey>().is_ok());
    if !is_right {
        let problem = "it names no bucket: expected s3://BUCKET or s3://BUCKET/PREFIX, and nothing else in it";
        return Err(StoreError::new(StoreErrorKind::Unsupported, problem));
    }
    Ok((name, if prefix.is_empty() { String::new() } else { format!("{prefix}/") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_names_a_bucket_and_a_prefix() {
        let parsed = |location| bucket_and_prefix(location).ok();
        assert_eq!(parsed("//calls"), Some(("calls", String::new())));
        assert_eq!(parsed("//calls/"), Some(("calls", String::new())));
        assert_eq!(parsed("//calls.example.com/a/b/"), Some(("calls.example.com", "a/b/".to_owned())));
    }

    #[test]
    fn url_without_a_bucket_or_with_a_prefix_that_leads_elsewhere_is_refused() {
        for location in
            ["", "//", "///prefix", "calls", "//calls/../other", "//calls//a", "//calls?region=x", "//ca lls"]
        {
            assert!(bucket_and_prefix(location).is_err(), "{location}");
        }
    }

    #[test]
    fn bytes_are_signed_where_neither_a_checksum_nor_tls_guards_them() {
        let (plain, tls) = (Some("http://minio:9000"), Some("https://minio:9000"));
        assert!(signs_payload(false, plain));
        assert!(
            ![(true, plain), (false, tls), (true, tls), (false, None)]
                .iter()
                .any(|(sends, url)| signs_payload(*sends, *url))
        );
    }

    #[tokio::test]
    async fn password_in_a_url_is_never_repeated() {
        let error = bucket_and_prefix("//AKTEST:secret@calls").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        for (url, place) in [
            ("https://AKTEST:secret@s3.example.com:9000", "https://s3.example.com:9000"),
            ("https://AKTEST:sec/ret@s3.example.com", "https://s3.example.com"),
            ("https://s3.example.com", "https://s3.example.com"),
        ] {
            let (access_key_id, secret_access_key) = ("AKTEST".to_owned(), "secret".into());
            let server = Some(S3Server { endpoint_url: url.to_owned(), access_key_id, secret_access_key });
            let bucket = connect("//calls", S3Options { server, ..S3Options::default() }).await.unwrap();
            assert_eq!(&*bucket.place, place);
        }
    }
}
