//! The embedded engine, as its callers see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use queue::{Clock, Delivery, Job, Lane, Options, Queue, QueueError, Settlement, Stage, open, redrive};

const LEASE: Duration = Duration::from_secs(60);
const LANE: Lane = Lane { stage: Stage::Purge, is_dead: false };

struct Fixture {
    folder: tempfile::TempDir,
    clock: Clock,
    queue: Arc<dyn Queue>,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let queue = handle(&folder, &clock).await;
    Fixture { folder, clock, queue }
}

async fn handle(folder: &tempfile::TempDir, clock: &Clock) -> Arc<dyn Queue> {
    let url = format!("sqlite:{}", folder.path().join("below/queue.db").display());
    open(&url, Options { lease: LEASE, clock: clock.clone() }).await.unwrap()
}

fn job(number: u32) -> Job {
    Job::PurgeV1 {
        account_sid: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        recording_sid: format!("RE{number:032}").parse().unwrap(),
    }
}

async fn publish(queue: &dyn Queue, number: u32) {
    queue.publish(&job(number), Duration::ZERO).await.unwrap();
}

async fn receive(queue: &dyn Queue) -> Option<Delivery> {
    queue.receive(LANE, 1, Duration::ZERO).await.unwrap().pop()
}

#[tokio::test]
async fn published_message_survives_reopening_and_is_seen_by_another_handle() {
    let fixture = fixture().await;
    publish(fixture.queue.as_ref(), 1).await;
    let other = handle(&fixture.folder, &fixture.clock).await;
    assert_eq!(receive(other.as_ref()).await.unwrap().job().unwrap(), job(1));
    assert!(receive(fixture.queue.as_ref()).await.is_none(), "leased to the other handle");
}

#[tokio::test]
async fn unsettled_delivery_comes_again_when_its_lease_ran_out_and_the_late_one_is_told() {
    let Fixture { queue, clock, folder: _folder } = fixture().await;
    publish(queue.as_ref(), 1).await;
    let late = receive(queue.as_ref()).await.unwrap();
    clock.advance(LEASE);
    let again = receive(queue.as_ref()).await.unwrap();
    assert_eq!((late.attempt, again.attempt), (1, 2));
    assert!(matches!(queue.extend(&late.receipt).await, Err(QueueError::LeaseLost)));
    assert!(matches!(queue.settle(late, Settlement::Ack).await, Err(QueueError::LeaseLost)));
    queue.settle(again, Settlement::Ack).await.unwrap();
    assert_eq!(queue.depth(Stage::Purge).await.unwrap(), queue::Depth::default());
}

#[tokio::test]
async fn extended_lease_keeps_the_delivery() {
    let Fixture { queue, clock, folder: _folder } = fixture().await;
    publish(queue.as_ref(), 1).await;
    let delivery = receive(queue.as_ref()).await.unwrap();
    clock.advance(LEASE / 2);
    queue.extend(&delivery.receipt).await.unwrap();
    clock.advance(LEASE / 2);
    assert!(receive(queue.as_ref()).await.is_none());
    queue.settle(delivery, Settlement::Ack).await.unwrap();
}

#[tokio::test]
async fn delayed_message_waits_and_does_not_hold_up_others() {
    let Fixture { queue, clock, folder: _folder } = fixture().await;
    queue.publish(&job(1), Duration::from_secs(10)).await.unwrap();
    publish(queue.as_ref(), 2).await;
    assert_eq!(receive(queue.as_ref()).await.unwrap().job().unwrap(), job(2));
    assert!(receive(queue.as_ref()).await.is_none());
    clock.advance(Duration::from_secs(10));
    assert_eq!(receive(queue.as_ref()).await.unwrap().job().unwrap(), job(1));
}

#[tokio::test]
async fn retry_waits_for_its_delay_and_counts_only_when_charged() {
    let Fixture { queue, clock, folder: _folder } = fixture().await;
    publish(queue.as_ref(), 1).await;
    for (charge, expected) in [(true, 1), (false, 2), (true, 2), (true, 3)] {
        let delivery = receive(queue.as_ref()).await.unwrap();
        assert_eq!(delivery.attempt, expected);
        let delay = Duration::from_secs(5);
        queue.settle(delivery, Settlement::RetryAfter { delay, charge }).await.unwrap();
        assert!(receive(queue.as_ref()).await.is_none());
        clock.advance(delay);
    }
}

#[tokio::test]
async fn dead_letter_keeps_its_reason_until_it_is_redriven_anew() {
    let Fixture { queue, folder: _folder, clock: _clock } = fixture().await;
    publish(queue.as_ref(), 1).await;
    let delivery = receive(queue.as_ref()).await.unwrap();
    queue.settle(delivery, Settlement::DeadLetter { reason: "no such model".into() }).await.unwrap();
    let letters = queue.dead_letters(Stage::Purge, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].reason.as_str()), (1, "no such model"));
    assert!(receive(queue.as_ref()).await.is_none());
    assert_eq!(redrive(queue.as_ref(), Stage::Purge, 10).await.unwrap(), 1);
    let again = receive(queue.as_ref()).await.unwrap();
    assert_eq!((again.attempt, again.reason.as_deref()), (1, None));
    assert_eq!(queue.depth(Stage::Purge).await.unwrap().dead, 0);
}

#[tokio::test]
async fn waiting_receiver_is_woken_by_a_publish() {
    let Fixture { queue, folder: _folder, clock: _clock } = fixture().await;
    let waiting = Arc::clone(&queue);
    let waiting = tokio::spawn(async move { waiting.receive(LANE, 1, Duration::from_secs(60)).await.unwrap().len() });
    publish(queue.as_ref(), 1).await;
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publishers_at_once_are_each_confirmed_once() {
    let Fixture { queue, folder: _folder, clock: _clock } = fixture().await;
    let publishing = (0..500).map(|number| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { publish(queue.as_ref(), number).await })
    });
    for published in publishing.collect::<Vec<_>>() {
        published.await.unwrap();
    }
    let mut received = queue.receive(LANE, 1000, Duration::ZERO).await.unwrap();
    let mut sids: Vec<_> = received.drain(..).map(|delivery| delivery.job().unwrap().recording_sid().clone()).collect();
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), 500);
}

#[tokio::test]
async fn unknown_scheme_and_unusable_file_are_clear_errors() {
    let options = || Options { lease: LEASE, clock: Clock::System };
    assert!(matches!(open("kafka:x", options()).await, Err(QueueError::Unsupported(_))));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let damaged = open(&format!("sqlite:{}", path.display()), options()).await;
    assert!(matches!(damaged, Err(QueueError::Corrupt { .. })), "{damaged:?}");
}
