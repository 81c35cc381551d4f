//! Our queues in the broker: names, properties, declaration. docs/engines/rabbitmq.md shows them to operators.
//!
//! All are quorum queues, reached through the default exchange: there is no exchange and no binding of ours.

use std::time::Duration;

use futures::future::try_join_all;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};

use super::delays::{self, Tier};
use super::trouble::{Trouble, is_refused, within};
use crate::message::{Lane, LaneKind};

/// The first declaration of a queue takes a broker some milliseconds.
const DECLARE_LIMIT: Duration = Duration::from_secs(30);
/// Between the deletion of a queue and the next of its name. RabbitMQ 3.10 needs this long to tell its channels: one that
/// does not know yet loses what it publishes to the new queue, confirmed, and what it consumes from it.
const DELETION_LIMIT: Duration = Duration::from_secs(1);
/// Redeliveries after which the broker itself parks a message. Far beyond what the dispatcher parks by its own count, and
/// set because newer brokers count to 20 where nothing is said.
const DELIVERY_LIMIT: i32 = 1_000;
/// A look at dead letters is a redelivery too, and must never lose one.
const DEAD_DELIVERY_LIMIT: i32 = 1_000_000_000;

/// The names of our queues.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    prefix: String,
}

impl Topology {
    pub(super) fn new(prefix: &str) -> Topology {
        Topology { prefix: prefix.to_owned() }
    }

    /// Where a lane's messages are received.
    pub(super) fn lane(&self, lane: Lane) -> String {
        let kind = match lane.kind {
            LaneKind::Live => "",
            LaneKind::Backfill => ".backfill",
            LaneKind::Dead => ".dead",
        };
        format!("{}.{}{kind}", self.prefix, lane.stage)
    }

    /// Where a lane's message waits that may not be received for `remaining`; the lane's own queue when it may.
    pub(super) fn after(&self, lane: Lane, remaining: Duration) -> String {
        delays::tier(lane.kind, remaining).map_or_else(|| self.lane(lane), |tier| self.delay(lane, tier))
    }

    pub(super) fn delay(&self, lane: Lane, tier: &Tier) -> String {
        format!("{}.delay.{}", self.lane(lane), tier.name)
    }

    /// Takes what health checks publish: one message, replaced by the next.
    pub(super) fn probe(&self) -> String {
        format!("{}.probe", self.prefix)
    }

    /// Every queue with its arguments.
    pub(super) fn queues(&self) -> Vec<(String, FieldTable)> {
        let mut queues = vec![(self.probe(), arguments(&[("x-max-length", 1.into())]))];
        for lane in Lane::all() {
            let (own, dead) = (self.lane(lane), self.lane(Lane::dead(lane.stage)));
            if lane.is_dead() {
                queues.push((own, arguments(&[("x-delivery-limit", DEAD_DELIVERY_LIMIT.into())])));
                continue;
            }
            let mut to_dead = back_to(&dead);
            to_dead.push(("x-delivery-limit", DELIVERY_LIMIT.into()));
            queues.push((own.clone(), arguments(&to_dead)));
            for tier in delays::tiers(lane.kind) {
                let mut back = back_to(&own);
                back.push(("x-message-ttl", tier.ttl_ms.into()));
                queues.push((self.delay(lane, tier), arguments(&back)));
            }
        }
        queues
    }

    /// The queues that are not there.
    pub(super) async fn missing(&self, connection: &Connection) -> Result<Vec<String>, Trouble> {
        let mut missing = Vec::new();
        for (name, _) in self.queues() {
            // A channel each: the broker closes it where the queue is missing.
            let channel = within(DECLARE_LIMIT, connection.create_channel()).await?;
            match within(DECLARE_LIMIT, ready(&channel, std::slice::from_ref(&name))).await {
                Err(trouble) if trouble.is_missing => missing.push(name),
                looked => drop(looked?),
            }
        }
        Ok(missing)
    }

    /// [`Topology::declare`] for queues that were found missing just now.
    pub(super) async fn declare_later(&self, connection: &Connection) -> Result<(), Trouble> {
        tokio::time::sleep(DELETION_LIMIT).await;
        self.declare(connection).await
    }

    /// Makes what is missing; any number of times, from any number of processes. Where this user may not, all must be
    /// there already.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Trouble> {
        let declared = within(DECLARE_LIMIT, async {
            let channel = connection.create_channel().await?;
            let declare = |(name, arguments)| channel.queue_declare(String::into(name), durable(), arguments);
            match try_join_all(self.queues().into_iter().map(declare)).await {
                Err(error) if is_refused(&error) => Ok(false),
                declared => declared.map(|_| true),
            }
        });
        if declared.await? {
            return Ok(());
        }
        let names: Vec<String> = self.queues().into_iter().map(|(name, _)| name).collect();
        let counted = within(DECLARE_LIMIT, async { ready(&connection.create_channel().await?, &names).await }).await;
        counted.map(|_| ()).map_err(|trouble| Trouble {
            problem: format!("{}, and this user may not make it: see docs/engines/rabbitmq.md", trouble.problem),
            ..trouble
        })
    }
}

/// How many messages each of the queues has to give. Needs no right. Fails, and closes the channel, where one is missing.
pub(super) async fn ready(channel: &Channel, queues: &[String]) -> Result<Vec<u64>, lapin::Error> {
    let passive = QueueDeclareOptions { passive: true, ..durable() };
    let look = |name: &String| channel.queue_declare(name.as_str().into(), passive, FieldTable::default());
    let found = try_join_all(queues.iter().map(look)).await?;
    Ok(found.iter().map(|queue| queue.message_count().into()).collect())
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}

/// At least once: what leaves a queue is in the other before it is gone from here. RabbitMQ asks for `reject-publish` with it.
fn back_to(queue: &str) -> Vec<(&'static str, AMQPValue)> {
    let text = |text: &str| AMQPValue::LongString(text.into());
    vec![
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn arguments(own: &[(&str, AMQPValue)]) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (name, value) in own {
        arguments.insert((*name).into(), value.clone());
    }
    arguments
}
