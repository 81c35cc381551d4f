//! What the broker refuses, and whether one can tell from the error what to do.

use std::time::Duration;

use queue::contract::Engine;
use queue::{Settlement, Stage};

use super::broker::{Broker, LIVE, job, next, number, problem, variable};

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_queue_from_opening_is_told_apart() {
    let broker = Broker::fresh().await;
    let (host, stranger) = (broker.host(), broker.user("", "", "").await);
    let outsider = broker.user_without_rights().await;
    for (url, named) in [
        (broker.url_for("guest:hunter2", &host, "%2f"), "password is wrong"),
        (broker.url_for("guest:guest", &host, "nowhere"), "there is no such virtual host"),
        (broker.url_for(&outsider, &host, "%2f"), "closed to this user"),
        (broker.url_for(&stranger, &host, "%2f"), "is missing"),
    ] {
        let error = broker.open_at(&url).await.unwrap_err();
        assert!(problem(&error).contains(named) && !problem(&error).contains("lacks a right"), "{named}: {error}");
        assert!(error.is_transient(), "a broker can be mended");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_is_away_is_waited_for_and_said_to_be() {
    let broker = Broker::fresh().await;
    for (host, named) in
        [("127.0.0.1:1", "127.0.0.1:1: nothing listens there"), ("no-such-host.invalid", "no-such-host.invalid:5672: ")]
    {
        let url = broker.url_for("guest:hunter2", host, "%2f");
        let queue = broker.open_at(&url).await.unwrap();
        for error in [
            queue.publish(&job(1), Duration::ZERO).await.unwrap_err(),
            queue.check().await.unwrap_err(),
            queue.depth(Stage::Purge).await.unwrap_err(),
            queue::provision(&url).await.unwrap_err(),
        ] {
            assert!(problem(&error).contains(named) && error.is_transient(), "{named}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documented_rights_suffice_each_role() {
    let broker = Broker::fresh().await;
    let queues = format!("^{}\\.", broker.prefix);
    let first = broker.user(&queues, r"^amq\.default$", &queues).await;
    broker.open_at(&broker.url_for(&first, &broker.host(), "%2f")).await.unwrap().check().await.unwrap();
    let ingest = broker.user("", r"^amq\.default$", "").await;
    let ingest = broker.open_at(&broker.url_for(&ingest, &broker.host(), "%2f")).await.unwrap();
    ingest.publish(&job(1), Duration::ZERO).await.unwrap();
    ingest.check().await.unwrap();
    assert_eq!(ingest.depth(Stage::Purge).await.unwrap().ready, 1);
    let worker = broker.user("", r"^amq\.default$", &queues).await;
    let worker = broker.open_at(&broker.url_for(&worker, &broker.host(), "%2f")).await.unwrap();
    let delivery = worker.receive(LIVE, 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    worker.check_rights().await.unwrap();
    worker.settle(delivery, Settlement::DeadLetter { reason: "seen".to_owned() }).await.unwrap();
    assert_eq!(worker.depth(Stage::Purge).await.unwrap().dead, 1);
    assert_eq!(queue::redrive(worker.as_ref(), Stage::Purge, 1).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_named_and_work_begins_when_they_are_given() {
    let broker = Broker::fresh().await;
    broker.open().await;
    let user = broker.user("", "", "").await;
    let queue = broker.open_at(&broker.url_for(&user, &broker.host(), "%2f")).await.unwrap();
    for error in [
        queue.publish(&job(1), Duration::ZERO).await.unwrap_err(),
        queue.check().await.unwrap_err(),
        queue.receive(LIVE, 1, Duration::ZERO).await.unwrap_err(),
    ] {
        assert!(problem(&error).contains("lacks a right") && problem(&error).contains("access to"), "{error}");
    }
    broker.grant(&user, "", ".*", ".*").await;
    queue.publish(&job(2), Duration::ZERO).await.unwrap();
    let delivery = queue.receive(LIVE, 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!(number(&delivery), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_to_receive_are_checked_for_every_queue_and_no_message_is_touched() {
    let broker = Broker::fresh().await;
    let queue = broker.open().await;
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    for _ in 0..3 {
        queue.check_rights().await.unwrap();
    }
    assert_eq!(next(queue.as_ref()).await.attempt, 1);
    for (read, named) in [
        ("", "archive"),
        (r"\.(archive|transcribe|deliver|purge)$", ".backfill"),
        (r"\.(archive|transcribe|deliver|purge)(\.backfill)?$", ".dead"),
        (r"\.dead$", "archive"),
    ] {
        let user = broker.user("", r"^amq\.default$", read).await;
        let user = broker.open_at(&broker.url_for(&user, &broker.host(), "%2f")).await.unwrap();
        user.check().await.unwrap();
        let error = user.check_rights().await.unwrap_err();
        assert!(problem(&error).contains("lacks a right") && problem(&error).contains(named), "{read}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_that_was_declared_otherwise_is_refused() {
    let broker = Broker::fresh().await;
    broker.declare_classic("purge").await;
    let error = broker.open_at(&broker.url()).await.unwrap_err();
    assert!(problem(&error).contains("declared otherwise") && problem(&error).contains("purge"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_broker_whose_certificate_is_trusted() {
    let broker = Broker::fresh().await;
    let (server, authority) = (variable("TEST_AMQPS_URL"), variable("TEST_AMQPS_CA"));
    let url = |server: &str, trust: &str| format!("{server}/%2f?prefix={}{trust}", broker.prefix);
    let trust = format!("&cacertfile={authority}");
    let queue = broker.open_at(&url(&server, &trust)).await.unwrap();
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    assert_eq!(number(&next(queue.as_ref()).await), 1);
    let other_name = server.replace("localhost", "127.0.0.1");
    let plain_port = format!("amqps://guest:guest@{}", broker.host());
    for url in [url(&server, ""), url(&other_name, &trust), url(&plain_port, &trust)] {
        let error = broker.open_at(&url).await.unwrap_err();
        assert!(problem(&error).contains("TLS failed"), "{url}: {error}");
    }
}
