//! The command on RabbitMQ: what it says of a broker that is away, or refuses.

use reqwest::{Method, StatusCode};
use serde_json::json;
use simulator::Faults;

use crate::engines::{Vhost, ask_rabbitmq};
use crate::fleet::{Fleet, call, until, variable};
use crate::sqs::{assert_finding, finding};
use crate::whole::assert_whole;

/// A user of a virtual host, named as it is; gone when dropped.
struct User(String);

impl User {
    async fn of(vhost: &Vhost) -> User {
        let user = User(vhost.0.clone());
        ask_rabbitmq(Method::PUT, &format!("users/{}", user.0), json!({"password": "right", "tags": ""})).await;
        user
    }

    async fn grant(&self, configure: &str, write: &str, read: &str) {
        let rights = json!({"configure": configure, "write": write, "read": read});
        ask_rabbitmq(Method::PUT, &format!("permissions/{0}/{0}", self.0), rights).await;
    }

    fn url(&self, password: &str, vhost: &str) -> String {
        let server = variable("TEST_AMQP_URL");
        format!("amqp://{}:{password}@{}/{vhost}", self.0, server.rsplit_once('@').unwrap().1)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let path = format!("users/{}", self.0);
        let deleted = ask_rabbitmq(Method::DELETE, &path, json!({}));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(deleted));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_apart_what_is_wrong_with_the_queue() {
    let (vhost, mut fleet) = (Vhost::fresh().await, Fleet::new().await);
    // Nobody: refused at once.
    fleet.set("PUBLIC_BASE_URL", "http://127.0.0.1:1");
    let user = User::of(&vhost).await;
    let url = user.url("right", &vhost.0);
    user.grant("", r"^amq\.default$", ".*").await;
    fleet.set("QUEUE_URL", url.clone());
    assert_finding(&fleet, "a queue is missing");
    fleet.set("QUEUE_URL", format!("{}/{}", variable("TEST_AMQP_URL"), vhost.0));
    assert_eq!(fleet.json(&["migrate", "--queues"])[0]["queues_made"].as_array().unwrap().len(), 49);
    assert!(fleet.json(&["migrate", "--queues"])[0]["queues_made"].as_array().unwrap().is_empty());
    fleet.set("QUEUE_URL", url);
    let (is_ok, detail) = finding(&fleet);
    assert!(is_ok, "{detail}");
    for (write, read) in [("", ".*"), (r"^amq\.default$", ""), (r"^amq\.default$", r"\.(archive|purge)$")] {
        user.grant("", write, read).await;
        assert_finding(&fleet, "lacks a right");
    }
    fleet.set("QUEUE_URL", user.url("not-the-secret", &vhost.0));
    assert_finding(&fleet, "the user or its password is wrong");
    fleet.set("QUEUE_URL", user.url("right", "nowhere"));
    assert_finding(&fleet, "there is no such virtual host");
    fleet.set("QUEUE_URL", "amqp://callvault:not-the-secret@127.0.0.1:1/calls");
    assert_finding(&fleet, "nothing listens there: is the broker running?");
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_that_starts_without_its_broker_says_so_and_lives() {
    let mut fleet = Fleet::new().await;
    fleet.set("QUEUE_URL", "amqp://callvault:not-the-secret@127.0.0.1:1/calls");
    let ingest = fleet.start(&["ingest"]);
    let ready = fleet.ingest_url("/readyz");
    until("it says that it is not ready", async || match reqwest::get(&ready).await {
        Ok(answer) => answer.status() == StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => false,
    })
    .await;
    let why = reqwest::get(&ready).await.unwrap().text().await.unwrap();
    assert!(why.contains("nothing listens there") && !why.contains("not-the-secret"), "{why}");
    assert_eq!(ingest.stop(), Some(0));
}

/// A fleet whose broker takes a message back after a second, and gives it out again after six more, and a transcriber
/// that needs nine.
async fn impatient_broker() -> Fleet {
    let mut fleet = Fleet::on_rabbitmq().await;
    let url = fleet.settings.iter().find(|(name, _)| *name == "QUEUE_URL").unwrap().1.clone();
    fleet.set("QUEUE_URL", format!("{url}?longest_delivery=1"));
    fleet.set("QUEUE_LEASE_SECS", "6");
    fleet.twilio.set_faults(Faults { transcriber_delay_ms: 9000, ..Faults::default() });
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_outlasts_what_the_broker_allows_goes_on_and_is_done_once() {
    let fleet = impatient_broker().await;
    let _serving = fleet.serve(true).await;
    fleet.place(call(0)).await;
    until("the job is sent round", async || fleet.logged(&["sent round again", "stage=transcribe"])).await;
    fleet.settled(1, &["transcribed"]).await;
    fleet.idle().await;
    assert_eq!(fleet.twilio.counters().requests_to("deepgram"), 1);
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_outlasts_what_the_broker_allows_is_done_anew_when_its_worker_dies() {
    let fleet = impatient_broker().await;
    let serving = fleet.serve(true).await;
    fleet.place(call(0)).await;
    until("the job is sent round", async || fleet.logged(&["sent round again", "stage=transcribe"])).await;
    serving.kill();
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
}
