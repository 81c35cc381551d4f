//! Queues of a test's own in the RabbitMQ that runs beside the tests, and its management API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use queue::contract::Engine;
use queue::{Clock, Delivery, Job, Lane, Options, Queue, QueueError, Stage};
use serde_json::{Value, json};

use super::proxy::Proxy;

const LEASE: Duration = Duration::from_secs(1);
pub(super) const LIVE: Lane = Lane::live(Stage::Purge);

/// A prefix of its own; its queues and users go with it.
pub(super) struct Broker {
    pub(super) prefix: String,
}

impl Broker {
    pub(super) async fn fresh() -> Broker {
        Broker { prefix: format!("test-{}", uuid::Uuid::now_v7().simple()) }
    }

    /// With a handle whose connections lead through a proxy.
    pub(super) async fn behind_proxy() -> (Broker, Proxy, Arc<dyn Queue>) {
        let broker = Broker::fresh().await;
        let proxy = Proxy::before(broker.host()).await;
        let queue = broker.open_at(&broker.url_for("guest:guest", &proxy.host(), "%2f")).await.unwrap();
        (broker, proxy, queue)
    }

    pub(super) fn host(&self) -> String {
        variable("TEST_AMQP_URL").rsplit_once('@').unwrap().1.to_owned()
    }

    pub(super) fn url(&self) -> String {
        self.url_for("guest:guest", &self.host(), "%2f")
    }

    /// `user` is NAME:PASSWORD.
    pub(super) fn url_for(&self, user: &str, host: &str, vhost: &str) -> String {
        format!("amqp://{user}@{host}/{vhost}?prefix={}", self.prefix)
    }

    pub(super) async fn open_at(&self, url: &str) -> Result<Arc<dyn Queue>, QueueError> {
        self.open_with(url, LEASE).await
    }

    pub(super) async fn open_with(&self, url: &str, lease: Duration) -> Result<Arc<dyn Queue>, QueueError> {
        queue::open(url, Options { lease, clock: Clock::System }).await
    }

    pub(super) fn queue(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// What the broker says of each of these queues.
    pub(super) async fn queues(&self) -> Vec<Value> {
        let columns = "name,durable,type,auto_delete,arguments";
        let queues = api(reqwest::Method::GET, &format!("/api/queues/%2f?columns={columns}"), Value::Null).await;
        let mut queues = queues.as_array().unwrap().clone();
        queues.retain(|queue| queue["name"].as_str().unwrap().starts_with(&self.prefix));
        queues
    }

    /// Publishes by the protocol's own means.
    pub(super) async fn publish(&self, name: &str, body: &str, properties: BasicProperties) {
        let (_connection, channel) = connect().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let published = channel.basic_publish("".into(), self.queue(name).into(), options, body.as_bytes(), properties);
        assert_eq!(published.await.unwrap().await.unwrap(), lapin::Confirmation::Ack(None));
    }

    pub(super) async fn delete(&self, name: &str) {
        let (_connection, channel) = connect().await;
        channel.queue_delete(self.queue(name).into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Messages that are ready and consumers that are there.
    pub(super) async fn counted(&self, name: &str) -> (u32, u32) {
        let (_connection, channel) = connect().await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(self.queue(name).into(), passive, FieldTable::default()).await.unwrap();
        (queue.message_count(), queue.consumer_count())
    }

    pub(super) async fn declare_classic(&self, name: &str) {
        let (_connection, channel) = connect().await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(self.queue(name).into(), options, FieldTable::default()).await.unwrap();
    }

    /// A user of its own, NAME:PASSWORD, with these rights to configure, write and read.
    pub(super) async fn user(&self, configure: &str, write: &str, read: &str) -> String {
        let user = self.user_without_rights().await;
        self.grant(&user, configure, write, read).await;
        user
    }

    pub(super) async fn user_without_rights(&self) -> String {
        let name = format!("{}-{}", self.prefix, uuid::Uuid::now_v7().simple());
        api(reqwest::Method::PUT, &format!("/api/users/{name}"), json!({"password": "secret", "tags": ""})).await;
        format!("{name}:secret")
    }

    pub(super) async fn grant(&self, user: &str, configure: &str, write: &str, read: &str) {
        let path = format!("/api/permissions/%2f/{}", user.split_once(':').unwrap().0);
        api(reqwest::Method::PUT, &path, json!({"configure": configure, "write": write, "read": read})).await;
    }

    /// Ends every connection of this test's handles, as an operator would: publishing and consuming.
    pub(super) async fn close_connections(&self) {
        let mut closed = 0;
        while closed < 2 {
            let connections = api(reqwest::Method::GET, "/api/connections", Value::Null).await;
            for connection in connections.as_array().unwrap() {
                let name = connection["client_properties"]["connection_name"].as_str().unwrap_or_default();
                if name.contains(&self.prefix) {
                    let path = format!("/api/connections/{}", connection["name"].as_str().unwrap().replace(' ', "%20"));
                    api(reqwest::Method::DELETE, &path, Value::Null).await;
                    closed += 1;
                }
            }
        }
    }
}

/// A variable that `scripts/with-test-servers` sets.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}

pub(super) async fn api(method: reqwest::Method, path: &str, body: Value) -> Value {
    let url = format!("{}{path}", variable("TEST_AMQP_API_URL"));
    let response = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
    let response = response.error_for_status().unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default()
}

async fn connect() -> (Connection, Channel) {
    let connection = Connection::connect(&variable("TEST_AMQP_URL"), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(super) fn job(number: u32) -> Job {
    Job::PurgeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
    }
}

/// The number that [`job`] was made of.
pub(super) fn number(delivery: &Delivery) -> u32 {
    delivery.job().unwrap().recording_sid().as_str()[2..].parse().unwrap()
}

/// Publishes until it is confirmed.
pub(super) async fn publish(queue: &dyn Queue, number: u32) {
    let began = Instant::now();
    while let Err(error) = queue.publish(&job(number), Duration::ZERO).await {
        assert!(began.elapsed() < Duration::from_secs(30), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Receives until something comes, errors or not.
pub(super) async fn next(queue: &dyn Queue) -> Delivery {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing came");
        match queue.receive(LIVE, 1, Duration::from_secs(1)).await {
            Ok(mut received) => {
                if let Some(delivery) = received.pop() {
                    return delivery;
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What an error says is wrong.
pub(super) fn problem(error: &QueueError) -> &str {
    match error {
        QueueError::Unavailable { problem, .. } => problem,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

#[async_trait]
impl Engine for Broker {
    async fn open(&self) -> Arc<dyn Queue> {
        self.open_at(&self.url()).await.unwrap()
    }

    async fn publish_raw(&self, stage: Stage, body: &str) {
        self.publish(stage.as_str(), body, BasicProperties::default()).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let clean_up = async {
            let (_connection, channel) = connect().await;
            let mut deleted = Vec::new();
            for kind in ["queues/%2f", "users"] {
                let found = api(reqwest::Method::GET, &format!("/api/{kind}?columns=name"), Value::Null).await;
                let names = found.as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap().to_owned());
                deleted.push(names.filter(|name| name.starts_with(&self.prefix)).collect::<Vec<_>>());
            }
            let delete = |name: &String| channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
            futures::future::try_join_all(deleted[0].iter().map(delete)).await.unwrap();
            for user in &deleted[1] {
                api(reqwest::Method::DELETE, &format!("/api/users/{user}"), Value::Null).await;
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(clean_up));
    }
}
