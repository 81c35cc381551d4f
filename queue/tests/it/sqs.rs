//! The SQS engine, on moto.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use queue::contract::Engine;
use queue::{Clock, Options, Queue, QueueError, Stage};

const LEASE: Duration = Duration::from_secs(3);

/// Queues of their own: no other test has the prefix.
struct Sqs {
    server: String,
    prefix: String,
}

async fn fresh() -> Sqs {
    let engine = Sqs { server: server(), prefix: format!("test-{}", uuid::Uuid::now_v7().simple()) };
    assert_eq!(queue::provision(&engine.url()).await.unwrap().len(), 8);
    engine
}

fn server() -> String {
    std::env::var("TEST_AWS_URL").expect("TEST_AWS_URL names no SQS server: run make test")
}

impl Sqs {
    fn url(&self) -> String {
        format!("sqs://{}?region=eu-west-1&endpoint={}", self.prefix, self.server)
    }

    fn name(&self, stage: Stage) -> String {
        format!("{}-{stage}", self.prefix)
    }
}

async fn open(url: &str, clock: Clock) -> Result<Arc<dyn Queue>, QueueError> {
    queue::open(url, Options { lease: LEASE, clock }).await
}

/// AWS's client itself, on a server.
fn client(server: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(server)
        .credentials_provider(Credentials::new("any", "any", None, None, "test"));
    Client::from_conf(config.build())
}

#[async_trait]
impl Engine for Sqs {
    async fn open(&self) -> Arc<dyn Queue> {
        open(&self.url(), Clock::System).await.unwrap()
    }

    async fn publish_raw(&self, stage: Stage, body: &str) {
        let client = client(&self.server);
        let found = client.get_queue_url().queue_name(self.name(stage)).send().await.unwrap();
        client.send_message().queue_url(found.queue_url.unwrap()).message_body(body).send().await.unwrap();
    }
}

queue::contract_tests!(crate::sqs::fresh);
