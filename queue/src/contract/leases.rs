//! Who has a delivery, and for how long.

use std::time::{Duration, Instant};

use super::engine::{Engine, STAGE, next, number, publish, settles_at, within};
use crate::{Depth, Lane, QueueError, Settlement};

pub async fn leased_message_is_hidden_from_others(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    let _delivery = next(one.as_ref()).await;
    assert!(within(one.as_ref(), Duration::ZERO).await.is_none());
    assert!(within(other.as_ref(), Duration::ZERO).await.is_none());
}

pub async fn unsettled_delivery_comes_again_as_a_further_attempt(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    let first = next(one.as_ref()).await;
    let again = next(other.as_ref()).await;
    assert_eq!((number(&again), first.attempt, again.attempt), (1, 1, 2));
    assert_eq!(again.published_at.timestamp(), first.published_at.timestamp());
}

pub async fn delivery_of_a_process_that_died_comes_again(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    drop(next(one.as_ref()).await);
    drop(one);
    let again = next(other.as_ref()).await;
    assert_eq!((number(&again), again.attempt), (1, 2));
}

pub async fn extended_lease_keeps_the_delivery(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    let delivery = next(one.as_ref()).await;
    let began = Instant::now();
    while began.elapsed() < one.lease() * 2 {
        one.extend(&delivery.receipt).await.unwrap();
        assert!(within(other.as_ref(), one.lease() / 4).await.is_none(), "after {:?}", began.elapsed());
    }
    one.settle(delivery, Settlement::Ack).await.unwrap();
    settles_at(one.as_ref(), Depth::default()).await;
}

pub async fn overtaken_receiver_can_neither_extend_nor_settle(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    let late = next(one.as_ref()).await;
    let owned = next(other.as_ref()).await;
    assert!(matches!(one.extend(&late.receipt).await, Err(QueueError::LeaseLost)));
    let parked = Settlement::DeadLetter { reason: "late".to_owned() };
    assert!(matches!(one.settle(late, parked).await, Err(QueueError::LeaseLost)));
    other.settle(owned, Settlement::Ack).await.unwrap();
    settles_at(other.as_ref(), Depth::default()).await;
}

pub async fn acked_message_never_comes_again(engine: &dyn Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    publish(one.as_ref(), 1).await;
    one.settle(next(one.as_ref()).await, Settlement::Ack).await.unwrap();
    assert!(other.receive(Lane::live(STAGE), 1, one.lease() * 2).await.unwrap().is_empty());
}
