//! The SQS engine, on moto; and on a peer that answers what moto does not.

mod boto3;
mod calls;
mod delays;
mod peer;
mod queues;
mod receives;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use queue::contract::Engine;
use queue::{Clock, Delivery, Job, Lane, LaneKind, Options, Queue, QueueError, Stage};

const LEASE: Duration = Duration::from_secs(3);
const TRIES: u32 = 10;

/// Queues of their own: no other test has the prefix.
struct Sqs {
    server: String,
    prefix: String,
}

async fn fresh() -> Sqs {
    let engine = Sqs::named();
    // moto on a busy machine may take longer than a call is given; a further try makes what is missing.
    let mut tries = 1;
    while let Err(error) = queue::provision(&engine.url()).await {
        assert!(matches!(error, QueueError::Unavailable { .. }) && tries < TRIES, "{error:?}");
        tries += 1;
    }
    engine
}

impl Sqs {
    /// A name; the queues are not made.
    fn named() -> Sqs {
        let server = std::env::var("TEST_AWS_URL").expect("TEST_AWS_URL names no SQS server: run make test");
        Sqs { server, prefix: format!("test-{}", uuid::Uuid::now_v7().simple()) }
    }

    fn url(&self) -> String {
        url(&self.prefix, &self.server)
    }

    fn name(&self, lane: Lane) -> String {
        let kind = match lane.kind {
            LaneKind::Live => "",
            LaneKind::Backfill => "-backfill",
            LaneKind::Dead => "-dead",
        };
        format!("{}-{}{kind}", self.prefix, lane.stage)
    }

    /// AWS's client itself, and a queue's URL.
    async fn client(&self, lane: Lane) -> (Client, String) {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(&self.server)
            .credentials_provider(Credentials::new("any", "any", None, None, "test"));
        let client = Client::from_conf(config.build());
        let found = client.get_queue_url().queue_name(self.name(lane)).send().await.unwrap();
        (client, found.queue_url.unwrap())
    }
}

fn url(prefix: &str, server: &str) -> String {
    format!("sqs://{prefix}?region=eu-west-1&endpoint={server}")
}

async fn open(url: &str, clock: Clock) -> Result<Arc<dyn Queue>, QueueError> {
    queue::open(url, Options { lease: LEASE, clock }).await
}

#[async_trait]
impl Engine for Sqs {
    async fn open(&self) -> Arc<dyn Queue> {
        open(&self.url(), Clock::System).await.unwrap()
    }

    async fn publish_raw(&self, stage: Stage, body: &str) {
        let (client, url) = self.client(Lane::live(stage)).await;
        client.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }
}

queue::contract_tests!(crate::sqs::fresh);

const LANE: Lane = Lane::live(Stage::Purge);

fn job(number: u32) -> Job {
    Job::PurgeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
    }
}

/// The next delivery of [`LANE`]; it has to come.
async fn next(queue: &dyn Queue) -> Delivery {
    queue.receive(LANE, 1, Duration::from_secs(20)).await.unwrap().pop().expect("nothing came within 20 s")
}
