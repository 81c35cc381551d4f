//! AWS's client, with limits on how long it may take.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::ProvideCredentials;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;

use super::address::Address;
use super::fault::causes;
use crate::error::QueueError;

/// Time for the whole of a call, its retries included: less than ingest gives a publish.
pub(super) const CALL_TIME_MOST: Duration = Duration::from_millis(3500);
const ATTEMPT_TIME_MOST: Duration = Duration::from_millis(1500);
const CONNECT_TIME_MOST: Duration = Duration::from_secs(1);
/// A role's credentials may come from another service.
const CREDENTIALS_TIME_MOST: Duration = Duration::from_secs(10);

/// A client, and the region it is of.
pub(super) async fn connect(address: &Address) -> Result<(Client, String), QueueError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &address.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let shared = loader.load().await;
    let region = shared.region().map(ToString::to_string).ok_or_else(|| {
        QueueError::Unsupported("sqs: no region: add ?region=REGION to the URL, or set AWS_REGION".to_owned())
    })?;
    let mut config = aws_sdk_sqs::config::Builder::from(&shared)
        .timeout_config(limits(Duration::ZERO))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(100)));
    if let Some(endpoint) = &address.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let credentials = credentials(shared.credentials_provider().as_ref()).await;
    credentials.map_err(|why| QueueError::Unavailable {
        queue: format!("{} (SQS, {region})", address.prefix),
        problem: format!("no AWS credentials ({why}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role"),
        source: None,
    })?;
    Ok((Client::from_conf(config.build()), region))
}

/// The limits of a call that SQS itself may hold for `held`.
pub(super) fn limits(held: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIME_MOST)
        .operation_attempt_timeout(held + ATTEMPT_TIME_MOST)
        .operation_timeout(held + CALL_TIME_MOST)
        .build()
}

/// Why there are none. Found out first: without any, each call would fail with a word that does not say so.
async fn credentials(provider: Option<&impl ProvideCredentials>) -> Result<(), String> {
    let provider = provider.ok_or("nothing provides them")?;
    match tokio::time::timeout(CREDENTIALS_TIME_MOST, provider.provide_credentials()).await {
        Ok(provided) => provided.map(|_| ()).map_err(|error| causes(&error)),
        Err(_) => Err("what should provide them does not answer".to_owned()),
    }
}
