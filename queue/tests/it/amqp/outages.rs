//! Connections that end, brokers that are away or silent: the same handle works on, and nothing that was confirmed is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use queue::contract::Engine;
use queue::{Lane, QueueError, Settlement, Stage};

use super::broker::{Broker, LIVE, job, next, number, problem, publish};
use super::proxy::{Proxy, Way};

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_while_publishing_lose_nothing_that_was_confirmed() {
    let (broker, proxy, queue) = Broker::behind_proxy().await;
    let publishing = (0..400).map(|number| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5 * u64::from(number))).await;
            queue.publish(&job(number), Duration::ZERO).await.is_ok().then_some(number)
        })
    });
    let publishing: Vec<_> = publishing.collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        proxy.cut();
    }
    let mut confirmed = BTreeSet::new();
    for published in publishing {
        confirmed.extend(published.await.unwrap());
    }
    assert!((100..400).contains(&confirmed.len()), "{} of 400 confirmed: no cut fell among them", confirmed.len());
    let other = broker.open().await;
    let mut received = BTreeSet::new();
    loop {
        let page = other.receive(LIVE, 100, Duration::ZERO).await.unwrap();
        if page.is_empty() {
            break;
        }
        received.extend(page.iter().map(number));
    }
    assert_eq!(confirmed.difference(&received).count(), 0, "confirmed and lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_a_connection_that_the_operator_closes_come_again() {
    let broker = Broker::fresh().await;
    // The broker's list of connections is behind by seconds: no lease may run out meanwhile.
    let queue = broker.open_with(&broker.url(), Duration::from_secs(60)).await.unwrap();
    publish(queue.as_ref(), 1).await;
    let first = next(queue.as_ref()).await;
    broker.close_connections().await;
    // Publishing and consuming have been cut off alike.
    let again = next(queue.as_ref()).await;
    assert_eq!((number(&again), first.attempt, again.attempt), (1, 1, 2));
    assert!(matches!(queue.extend(&first.receipt).await, Err(QueueError::LeaseLost)));
    assert!(matches!(queue.settle(first, Settlement::Ack).await, Err(QueueError::LeaseLost)));
    queue.settle(again, Settlement::Ack).await.unwrap();
    publish(queue.as_ref(), 2).await;
    assert_eq!(number(&next(queue.as_ref()).await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_works_on_when_the_broker_is_back() {
    let (_broker, proxy, queue) = Broker::behind_proxy().await;
    publish(queue.as_ref(), 1).await;
    let held = next(queue.as_ref()).await;
    proxy.set(Way::Gone);
    let began = Instant::now();
    while queue.publish(&job(2), Duration::ZERO).await.is_ok() {}
    let outcomes = [
        queue.publish(&job(2), Duration::ZERO).await.unwrap_err(),
        queue.receive(LIVE, 1, Duration::from_secs(5)).await.unwrap_err(),
        queue.depth(Stage::Purge).await.unwrap_err(),
        queue.check().await.unwrap_err(),
    ];
    assert!(began.elapsed() < Duration::from_secs(3), "an outage is told at once: {:?}", began.elapsed());
    for error in outcomes {
        assert!(error.to_string().contains(&proxy.host()), "{error}");
        assert!(error.is_transient());
    }
    assert!(matches!(queue.settle(held, Settlement::Ack).await, Err(QueueError::LeaseLost)));
    proxy.set(Way::Open);
    assert_eq!(next(queue.as_ref()).await.attempt, 2);
    publish(queue.as_ref(), 3).await;
    queue.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_that_was_opened_without_a_broker_makes_its_queues_when_there_is_one() {
    let broker = Broker::fresh().await;
    let proxy = Proxy::before(broker.host()).await;
    proxy.set(Way::Gone);
    let queue = broker.open_at(&broker.url_for("guest:guest", &proxy.host(), "%2f")).await.unwrap();
    assert!(queue.publish(&job(1), Duration::ZERO).await.unwrap_err().is_transient());
    assert!(broker.queues().await.is_empty());
    proxy.set(Way::Open);
    publish(queue.as_ref(), 2).await;
    assert_eq!(number(&next(queue.as_ref()).await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_handle_notices_no_cut() {
    let (_broker, proxy, queue) = Broker::behind_proxy().await;
    publish(queue.as_ref(), 1).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_millis(100)).await;
    queue.publish(&job(2), Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_without_an_answer_fails_within_its_limit_and_may_be_there() {
    let (broker, proxy, queue) = Broker::behind_proxy().await;
    proxy.set(Way::Deaf);
    let began = Instant::now();
    let error = queue.publish(&job(1), Duration::ZERO).await.unwrap_err();
    assert!((2..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(problem(&error).contains("did not answer"), "{error}");
    assert_eq!(number(&next(broker.open().await.as_ref()).await), 1);
    proxy.set(Way::Open);
    publish(queue.as_ref(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alarm_refuses_publishes_at_once_while_work_goes_on() {
    let (_broker, proxy, queue) = Broker::behind_proxy().await;
    publish(queue.as_ref(), 1).await;
    // Only where it was published: so does RabbitMQ.
    proxy.block("low on disk");
    let began = Instant::now();
    while queue.publish(&job(2), Duration::ZERO).await.is_ok() {}
    for error in [queue.publish(&job(2), Duration::ZERO).await.unwrap_err(), queue.check().await.unwrap_err()] {
        assert!(problem(&error).contains("alarm") && error.is_transient(), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let delivery = next(queue.as_ref()).await;
    queue.extend(&delivery.receipt).await.unwrap();
    queue.settle(delivery, Settlement::Ack).await.unwrap();
    queue.depth(Stage::Purge).await.unwrap();
    proxy.unblock();
    publish(queue.as_ref(), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alarm_refuses_at_once_what_comes_when_all_confirms_are_awaited() {
    let (broker, proxy, queue) = Broker::behind_proxy().await;
    publish(queue.as_ref(), 0).await;
    proxy.set(Way::Deaf);
    let publishing = Arc::clone(&queue);
    let all = tokio::spawn(async move {
        let jobs: Vec<_> = (0..300).map(job).collect();
        join_all(jobs.iter().map(|job| publishing.publish(job, Duration::ZERO))).await
    });
    // As many as a channel may wait for, and the one before.
    while broker.counted("purge").await.0 < 257 {}
    proxy.block("low on disk");
    let errors = all.await.unwrap().into_iter().filter_map(Result::err);
    let (refused, awaited): (Vec<_>, Vec<_>) = errors.partition(|error| problem(error).contains("alarm"));
    assert_eq!((refused.len(), awaited.len()), (44, 256));
}

#[tokio::test(flavor = "multi_thread")]
async fn settlements_during_an_alarm_are_kept_until_it_is_over_and_cost_no_attempt() {
    let (broker, proxy, queue) = Broker::behind_proxy().await;
    for number in [1, 2] {
        publish(queue.as_ref(), number).await;
    }
    proxy.block("low on disk");
    while queue.check().await.is_ok() {}
    let held = [next(queue.as_ref()).await, next(queue.as_ref()).await];
    let retry = Settlement::RetryAfter { delay: Duration::ZERO, charge: false };
    let settlements = [retry, Settlement::DeadLetter { reason: "no such model".to_owned() }];
    for (delivery, settlement) in held.into_iter().zip(settlements) {
        let error = queue.settle(delivery, settlement).await.unwrap_err();
        assert!(problem(&error).contains("alarm"), "{error}");
    }
    // Their leases are over three times by then.
    let other = broker.open().await;
    assert!(other.receive(LIVE, 1, Duration::from_secs(3)).await.unwrap().is_empty());
    proxy.unblock();
    let again = next(other.as_ref()).await;
    assert_eq!((number(&again), again.attempt), (1, 1));
    while queue.depth(Stage::Purge).await.unwrap().dead != 1 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_is_down_is_passed_over() {
    let broker = Broker::fresh().await;
    let url = broker.url().replacen('@', "@127.0.0.1:1,localhost:1,", 1);
    // Which host comes first is chance.
    for _ in 0..4 {
        let queue = broker.open_at(&url).await.unwrap();
        assert!(queue.receive(Lane::live(Stage::Purge), 1, Duration::ZERO).await.unwrap().is_empty());
    }
}
