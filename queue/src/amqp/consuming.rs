//! Receiving: one subscription a lane, which stays between two receives so that a busy worker pays for no set-up.
//!
//! A sweep beside it gives back what a receiver no longer wants and what it kept for longer than its lease.

use std::collections::HashMap;
use std::sync::{Arc, Once, Weak};
use std::time::Duration;

use lapin::message::Delivery as Arrival;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use lapin::{Acker, Connection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::{Backoff, Link};
use super::headers::Message;
use super::leases::Leases;
use super::publishing::{CONFIRM_LIMIT, Publisher};
use super::subscription::Subscription;
use super::topology::Topology;
use super::trouble::Trouble;
use crate::Options;
use crate::message::{Delivery, Lane};

/// A receive that waits less than this asks the broker before it says that there is nothing.
const WAIT_ENOUGH: Duration = Duration::from_millis(500);
/// How long what a queue had to give may be under way.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(1);
const STOP_LIMIT: Duration = Duration::from_secs(3);
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// How long a delivery that nobody has asked for is kept from other workers.
const UNWANTED: Duration = Duration::from_millis(100);

/// A lane's subscription, one receiver's at a time.
type Slot = OwnedMutexGuard<Option<Subscription>>;

#[derive(Debug)]
pub(super) struct Consuming {
    pub(super) link: Link,
    pub(super) leases: Leases,
    topology: Topology,
    publisher: Publisher,
    options: Options,
    lanes: HashMap<Lane, Arc<Mutex<Option<Subscription>>>>,
    sweeping: Once,
}

impl Consuming {
    pub(super) fn new(link: Link, topology: Topology, publisher: Publisher, options: Options) -> Consuming {
        let lanes = Lane::all().map(|lane| (lane, Arc::default())).collect();
        Consuming { link, leases: Leases::default(), topology, publisher, options, lanes, sweeping: Once::new() }
    }

    pub(super) async fn receive(
        self: &Arc<Self>,
        lane: Lane,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Trouble> {
        self.sweeping.call_once(|| drop(tokio::spawn(sweep(Arc::downgrade(self)))));
        let deadline = Instant::now() + wait;
        // Another receiver of the same lane waits already: what comes is that one's first.
        let Ok(mut slot) = timeout_at(deadline, Arc::clone(&self.lanes[&lane]).lock_owned()).await else {
            return Ok(Vec::new());
        };
        loop {
            slot = self.subscribed(lane, slot, max).await?;
            let subscription = slot.as_mut().ok_or_else(Trouble::lost)?;
            subscription.wanted_at = Instant::now();
            // From here to the return nothing is awaited: a future dropped holds no delivery.
            let received = self.take(lane, subscription, max);
            if !received.is_empty() {
                return Ok(received);
            }
            if Instant::now() < deadline {
                let _ = timeout_at(deadline, subscription.arrival()).await;
            } else if wait >= WAIT_ENOUGH || !subscription.look().await? {
                return Ok(self.take(lane, subscription, max));
            } else if timeout(ARRIVAL_LIMIT, subscription.arrival()).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    /// The subscription, with room for `max` more.
    async fn subscribed(self: &Arc<Self>, lane: Lane, slot: Slot, max: usize) -> Result<Slot, Trouble> {
        if slot.as_ref().is_some_and(|subscription| subscription.has_room(self.unsettled(subscription, max))) {
            return Ok(slot);
        }
        // In a task of its own: a receive dropped half way must leave no consumer behind of which nobody knows.
        let subscribe = tokio::spawn(Arc::clone(self).subscribe(lane, slot, max));
        subscribe.await.unwrap_or_else(|_| Err(Trouble::lost()))
    }

    fn unsettled(&self, subscription: &Subscription, max: usize) -> usize {
        self.leases.held(subscription.id).saturating_add(max)
    }

    async fn subscribe(self: Arc<Self>, lane: Lane, mut slot: Slot, max: usize) -> Result<Slot, Trouble> {
        let mut tried = Ok(());
        for _ in 0..2 {
            let connection = self.link.connection().await?;
            tried = self.make_room(&connection, lane, &mut slot, max).await;
            match &tried {
                Ok(()) => break,
                Err(trouble) if trouble.is_missing => self.topology.declare_later(&connection).await?,
                // The connection may have been the remains of one.
                Err(_) => {}
            }
        }
        tried.map(|()| slot)
    }

    async fn make_room(&self, connection: &Connection, lane: Lane, slot: &mut Slot, max: usize) -> Result<(), Trouble> {
        let mut subscription = match slot.take().filter(Subscription::is_open) {
            Some(subscription) => subscription,
            None => Subscription::open(connection, self.topology.lane(lane)).await?,
        };
        subscription.make_room(self.unsettled(&subscription, max)).await?;
        **slot = Some(subscription);
        Ok(())
    }

    /// Hands out what is here. What came before its time goes on to its next delay.
    fn take(self: &Arc<Self>, lane: Lane, subscription: &mut Subscription, max: usize) -> Vec<Delivery> {
        let now_ms = self.options.clock.now_ms();
        let mut received = Vec::new();
        while received.len() < max
            && let Some(arrival) = subscription.next_here()
        {
            let Arrival { data, properties, acker, .. } = arrival;
            let message = Message::read(lane, data, &properties, now_ms);
            if !acker.usable() {
                continue;
            }
            if message.remaining(now_ms).is_zero() {
                let receipt = self.leases.lease(lane, subscription.id, acker, self.options.lease);
                received.push(message.into_delivery(receipt));
            } else {
                self.pass_on(lane, message, acker);
            }
        }
        received
    }

    /// Puts a message where it belongs now: the copy first, and only then is the original acked. It is kept and tried
    /// again for as long as the original is ours, and takes its part of the prefetch meanwhile: a worker that cannot
    /// publish soon receives no more.
    pub(super) fn pass_on(self: &Arc<Self>, to: Lane, message: Message, acker: Acker) {
        let consuming = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut backoff = Backoff::default();
            while acker.usable()
                && let Some(consuming) = consuming.upgrade()
            {
                match consuming.publish(to, &message).await {
                    Ok(()) => return drop(acker.ack(BasicAckOptions::default()).await),
                    Err(trouble) => {
                        tracing::warn!(problem = trouble.problem, "message not passed on: trying again");
                        drop(consuming);
                        tokio::time::sleep(backoff.pause()).await;
                    }
                }
            }
        });
    }

    /// Publishes a copy to where it waits for what is left of its delay, or may be received.
    pub(super) async fn publish(&self, to: Lane, message: &Message) -> Result<(), Trouble> {
        let now_ms = self.options.clock.now_ms();
        let message = message.clone().sent(now_ms);
        let queue = match to.is_dead() {
            true => self.topology.lane(to),
            false => self.topology.after(to, message.wait()),
        };
        self.publisher.publish(queue, message, CONFIRM_LIMIT).await
    }

    /// Gives back what ran out, and lets go of lanes on which nobody receives any more.
    fn sweep(self: &Arc<Self>) {
        for acker in self.leases.take_expired() {
            // Unlike basic.nack, it counts as a redelivery in every version of RabbitMQ.
            let again = BasicRejectOptions { requeue: true };
            tokio::spawn(async move { acker.reject(again).await });
        }
        for (lane, slot) in &self.lanes {
            let Ok(mut slot) = Arc::clone(slot).try_lock_owned() else { continue };
            let Some(subscription) = slot.as_ref() else { continue };
            if !subscription.is_open() {
                *slot = None;
            } else if subscription.wanted_at.elapsed() >= UNWANTED
                && subscription.may_bring_more(self.leases.held(subscription.id))
            {
                tokio::spawn(Arc::clone(self).release(*lane, slot));
            }
        }
    }

    /// Cancels every consumer, and gives back what came and was not handed out.
    pub(super) async fn stop_receiving(self: &Arc<Self>) {
        let released = self.lanes.iter().map(async |(lane, slot)| {
            let slot = Arc::clone(slot).lock_owned().await;
            Arc::clone(self).release(*lane, slot).await;
        });
        // A broker that is away hands nothing out.
        let _ = tokio::time::timeout(STOP_LIMIT, futures::future::join_all(released)).await;
    }

    async fn release(self: Arc<Self>, lane: Lane, mut slot: Slot) {
        let Some(subscription) = slot.as_mut() else { return };
        let Ok(arrivals) = subscription.stop().await else {
            *slot = None;
            return;
        };
        for Arrival { data, properties, acker, .. } in arrivals {
            if lane.is_dead() {
                let _ = acker.nack(BasicNackOptions { requeue: true, multiple: false }).await;
            } else {
                // A copy, because giving it back would count as an attempt.
                self.pass_on(lane, Message::read(lane, data, &properties, self.options.clock.now_ms()), acker);
            }
        }
    }
}

/// As long as the queue's handle lives.
async fn sweep(consuming: Weak<Consuming>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        match consuming.upgrade() {
            Some(consuming) => consuming.sweep(),
            None => return,
        }
    }
}
