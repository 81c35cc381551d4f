//! Queues of a test's own in the RabbitMQ that runs beside the tests, and its management API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use queue::contract::Engine;
use queue::{Clock, Options, Queue, QueueError, Stage};

pub(super) const LEASE: Duration = Duration::from_secs(1);

/// A prefix of its own; its queues go with it.
pub(super) struct Broker {
    pub(super) prefix: String,
}

impl Broker {
    pub(super) async fn fresh() -> Broker {
        Broker { prefix: format!("test-{}", uuid::Uuid::now_v7().simple()) }
    }

    /// The URL of these queues, at the broker or at what stands before it.
    pub(super) fn url(&self) -> String {
        format!("{}/%2f?prefix={}", variable("TEST_AMQP_URL"), self.prefix)
    }

    pub(super) async fn open_at(&self, url: &str) -> Result<Arc<dyn Queue>, QueueError> {
        queue::open(url, Options { lease: LEASE, clock: Clock::System }).await
    }

    pub(super) fn queue(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// All that the broker says of one of the queues.
    pub(super) async fn described(&self, name: &str) -> serde_json::Value {
        get(&format!("/api/queues/%2f/{}", self.queue(name))).await
    }
}

/// A variable that `scripts/with-test-servers` sets.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}

pub(super) async fn get(path: &str) -> serde_json::Value {
    let url = format!("{}{path}", variable("TEST_AMQP_API_URL"));
    let response = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    response.json().await.unwrap()
}

pub(super) async fn connect() -> Connection {
    Connection::connect(&variable("TEST_AMQP_URL"), ConnectionProperties::default()).await.unwrap()
}

#[async_trait]
impl Engine for Broker {
    async fn open(&self) -> Arc<dyn Queue> {
        self.open_at(&self.url()).await.unwrap()
    }

    async fn publish_raw(&self, stage: Stage, body: &str) {
        let connection = connect().await;
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(Default::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let queue = self.queue(stage.as_str());
        let published =
            channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), BasicProperties::default());
        assert_eq!(published.await.unwrap().await.unwrap(), lapin::Confirmation::Ack(None));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let delete = async {
            let connection = connect().await;
            let channel = connection.create_channel().await.unwrap();
            let queues = get("/api/queues/%2f?columns=name").await;
            let names = queues.as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap().to_owned());
            let own = names.filter(|name| name.starts_with(&self.prefix));
            let delete = |name: String| channel.queue_delete(name.into(), QueueDeleteOptions::default());
            futures::future::try_join_all(own.map(delete)).await.unwrap();
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(delete));
    }
}
