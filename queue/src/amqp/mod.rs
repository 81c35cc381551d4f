//! The engine on RabbitMQ (3.10 or newer), through lapin.
//!
//! Every queue is a quorum queue and every publish is confirmed. AMQP has neither leases nor delays nor a count of
//! charged attempts: [`leases`] keeps the first in the process, [`delays`] makes the second of queues whose messages
//! expire, and [`headers`] carries the third. A retry is a copy that is confirmed before the original is acked: a crash
//! in between leaves two, never none.

mod connection;
mod consuming;
mod delays;
mod headers;
mod leases;
mod publishing;
mod rights;
mod session;
mod subscription;
mod topology;
mod trouble;
mod url;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Acker, Channel};

use crate::error::QueueError;
use crate::message::{DeadLetter, Delivery, Depth, Lane, LaneKind, Receipt, Settlement};
use crate::stage::Stage;
use crate::{Job, Options, Queue, TraceParent};
use connection::Link;
use consuming::Consuming;
use headers::Message;
use publishing::{CONFIRM_LIMIT, Publisher};
use topology::Topology;
use trouble::{Trouble, within};
use url::Address;

/// Health routes give up on a check after two seconds.
const CHECK_LIMIT: Duration = Duration::from_millis(900);
/// For each answer of the broker's to a look around: thousands of dead letters are as many answers.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Makes the queues that are missing; their names. Safe any number of times.
pub(crate) async fn provision(url: &str) -> Result<Vec<String>, QueueError> {
    let address = Arc::new(Address::parse(url)?);
    let topology = Topology::new(&address.prefix);
    let made = async {
        let connection = Link::new(Arc::clone(&address), "provisioning").connection().await?;
        let missing = topology.missing(&connection).await?;
        topology.declare(&connection).await.map(|()| missing)
    };
    made.await.map_err(|trouble| trouble.into_error(&address))
}

#[derive(Debug)]
pub(crate) struct Amqp {
    address: Arc<Address>,
    topology: Topology,
    publishing: Arc<Link>,
    publisher: Publisher,
    consuming: Arc<Consuming>,
    options: Options,
}

impl Amqp {
    /// Connects and makes sure that all queues are there; fails where the broker refuses. One that is away is waited
    /// for.
    pub(crate) async fn open(url: &str, options: Options) -> Result<Amqp, QueueError> {
        let address = Arc::new(Address::parse(url)?);
        let topology = Topology::new(&address.prefix);
        let publishing = Arc::new(Link::new(Arc::clone(&address), "publishing"));
        let opened = Publisher::open(Arc::clone(&publishing), topology.clone()).await;
        let publisher = opened.map_err(|trouble| trouble.into_error(&address))?;
        let link = Link::new(Arc::clone(&address), "consuming");
        let consuming = Arc::new(Consuming::new(link, topology.clone(), publisher.clone(), options.clone()));
        Ok(Amqp { address, topology, publishing, publisher, consuming, options })
    }

    /// What is published in a delivery's place, and for which lane; nothing, when it is done.
    fn copy(&self, lane: Lane, delivery: Delivery, settlement: Settlement) -> Option<(Lane, Message)> {
        let now_ms = self.options.clock.now_ms();
        let again = Message::again(delivery);
        match settlement {
            Settlement::Ack => None,
            Settlement::RetryAfter { delay, charge } => {
                let attempt = again.attempt.saturating_sub(u32::from(!charge));
                Some((lane, Message { attempt, not_before_ms: later(now_ms, delay), ..again }.sent(now_ms)))
            }
            Settlement::DeadLetter { reason } => {
                let message = Message { reason: Some(reason), died_at_ms: Some(now_ms), ..again };
                Some((Lane::dead(lane.stage), message))
            }
        }
    }

    /// A channel to look around on: not where it is published, which the broker does not read while an alarm lasts.
    async fn looking<T>(&self, look: impl AsyncFnOnce(&Channel) -> Result<T, Trouble>) -> Result<T, QueueError> {
        let looked = async {
            let connection = self.consuming.link.connection().await?;
            look(&within(LOOK_LIMIT, connection.create_channel()).await?).await
        };
        looked.await.map_err(|trouble| self.wrong(trouble))
    }

    fn wrong(&self, trouble: Trouble) -> QueueError {
        trouble.into_error(&self.address)
    }
}

/// The time `delay` after `now_ms`, never sooner. No time at all where there is no delay: the receiver's clock may be
/// behind.
fn later(now_ms: i64, delay: Duration) -> i64 {
    if delay.is_zero() {
        return 0;
    }
    now_ms.saturating_add(i64::try_from(delay.as_micros().div_ceil(1000)).unwrap_or(i64::MAX))
}

#[async_trait]
impl Queue for Amqp {
    async fn publish(&self, job: &Job, delay: Duration) -> Result<(), QueueError> {
        let now_ms = self.options.clock.now_ms();
        let message = Message {
            not_before_ms: later(now_ms, delay),
            trace_parent: TraceParent::current().map(|parent| parent.to_string()),
            ..Message::new(job.encode(), now_ms)
        };
        let message = message.sent(now_ms);
        let queue = self.topology.after(job.lane(), message.wait());
        self.publisher.publish(queue, message, CONFIRM_LIMIT).await.map_err(|trouble| self.wrong(trouble))
    }

    async fn forward(&self, stage: Stage, delivery: &Delivery) -> Result<(), QueueError> {
        let message = Message {
            trace_parent: delivery.trace_parent.as_ref().map(ToString::to_string),
            ..Message::new(delivery.body.clone(), delivery.published_at.timestamp_millis())
        };
        let queue = self.topology.lane(Lane::live(stage));
        self.publisher.publish(queue, message, CONFIRM_LIMIT).await.map_err(|trouble| self.wrong(trouble))
    }

    async fn receive(&self, lane: Lane, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        self.consuming.receive(lane, max, wait).await.map_err(|trouble| self.wrong(trouble))
    }

    async fn extend(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.consuming.leases.extend(receipt, self.options.lease).ok_or(QueueError::LeaseLost)
    }

    async fn settle(&self, delivery: Delivery, settlement: Settlement) -> Result<(), QueueError> {
        let receipt = delivery.receipt.clone();
        let (lane, acker) = self.consuming.leases.acker(&receipt).ok_or(QueueError::LeaseLost)?;
        if lane.is_dead() && matches!(settlement, Settlement::RetryAfter { .. }) {
            // Dead letters have no delays: it goes back as it is.
            self.consuming.leases.end(&receipt);
            let _ = acker.nack(BasicNackOptions { requeue: true, multiple: false }).await;
            return Ok(());
        }
        let Some((to, message)) = self.copy(lane, delivery, settlement) else {
            let acked = acker.ack(BasicAckOptions::default()).await;
            self.consuming.leases.end(&receipt);
            return if matches!(acked, Ok(true)) { Ok(()) } else { Err(QueueError::LeaseLost) };
        };
        // What becomes of it is decided: it must not run out meanwhile.
        self.consuming.leases.extend(&receipt, self.options.lease).ok_or(QueueError::LeaseLost)?;
        let published = self.consuming.publish(to, &message).await;
        self.consuming.leases.end(&receipt);
        match &published {
            // The worst is that the message comes twice.
            Ok(()) => drop(acker.ack(BasicAckOptions::default()).await),
            // To let it come again would charge an attempt.
            Err(_) => self.consuming.pass_on(to, message, acker),
        }
        published.map_err(|trouble| self.wrong(trouble))
    }

    async fn depth(&self, stage: Stage) -> Result<Depth, QueueError> {
        let mut depth = Depth::default();
        for lane in Lane::all_of(stage) {
            let delays = delays::tiers(lane.kind).iter().map(|tier| self.topology.delay(lane, tier));
            let queues: Vec<String> = [self.topology.lane(lane)].into_iter().chain(delays).collect();
            let ready =
                self.looking(async |channel| within(LOOK_LIMIT, topology::ready(channel, &queues)).await).await?;
            let (ready, delayed) = (ready[0], ready[1..].iter().sum::<u64>());
            let in_flight = self.consuming.leases.in_flight(lane) as u64;
            match lane.kind {
                LaneKind::Live => depth = Depth { ready, delayed, in_flight, ..depth },
                LaneKind::Backfill => depth.backfill = ready + delayed + in_flight,
                LaneKind::Dead => depth.dead = ready,
            }
        }
        Ok(depth)
    }

    fn longest_delivery(&self) -> Option<Duration> {
        Some(self.address.longest_delivery)
    }

    /// Else the broker would hand to this process what it has just handed back.
    async fn stop_receiving(&self) {
        self.consuming.stop_receiving().await;
    }

    /// An ack is on its way when it is given, not there: the connection is ended in good order.
    async fn flush(&self) {
        self.consuming.link.close().await;
    }

    fn sees_all_in_flight(&self) -> bool {
        false
    }

    async fn dead_letters(&self, stage: Stage, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let (lane, now_ms) = (Lane::dead(stage), self.options.clock.now_ms());
        let queue = self.topology.lane(lane);
        let look = async |channel: &Channel| {
            let mut letters = Vec::new();
            let mut last: Option<Acker> = None;
            let get = || within(LOOK_LIMIT, channel.basic_get(queue.as_str().into(), BasicGetOptions::default()));
            while letters.len() < max
                && let Some(got) = get().await?
            {
                let found = got.delivery;
                letters.push(Message::read(lane, found.data, &found.properties, now_ms).into_dead_letter());
                last = Some(found.acker);
            }
            if let Some(acker) = last {
                within(LOOK_LIMIT, acker.nack(BasicNackOptions { requeue: true, multiple: true })).await?;
            }
            Ok(letters)
        };
        self.looking(look).await
    }

    async fn check(&self) -> Result<(), QueueError> {
        let checked = async {
            let probe = Message::new("probe".into(), self.options.clock.now_ms());
            self.publisher.publish(self.topology.probe(), probe, CHECK_LIMIT).await?;
            let lanes: Vec<String> =
                Lane::all().filter(|lane| !lane.is_dead()).map(|lane| self.topology.lane(lane)).collect();
            let connection = self.publishing.connection().await?;
            within(CHECK_LIMIT, async { topology::ready(&connection.create_channel().await?, &lanes).await }).await
        };
        checked.await.map(drop).map_err(|trouble| self.wrong(trouble))
    }

    async fn check_rights(&self) -> Result<(), QueueError> {
        self.check().await?;
        let queues: Vec<String> = Lane::all().map(|lane| self.topology.lane(lane)).collect();
        let checked = async {
            let connection = self.consuming.link.connection().await?;
            within(LOOK_LIMIT, rights::may_read(&connection, &queues)).await
        };
        checked.await.map_err(|trouble| self.wrong(trouble))
    }

    fn lease(&self) -> Duration {
        self.options.lease
    }
}
