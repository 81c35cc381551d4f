//! The SQS engine: a standard queue a lane, `PREFIX-STAGE`, `PREFIX-STAGE-backfill` and `PREFIX-STAGE-dead`.
//!
//! A message is never changed. A retry, a postponed message and a dead letter are a copy that is sent before the
//! original is deleted: a crash between the two leaves both, never none. So a copy's receives are the attempts that
//! never came to a settlement, and the queue's own redrive policy counts only those.

mod address;
mod attributes;
mod batch;
mod calls;
mod client;
mod fault;
mod keeping;
mod leases;
mod message;
mod provision;
mod receive;
mod rights;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use tokio::sync::{OnceCell, Semaphore};

use crate::error::QueueError;
use crate::message::{DeadLetter, Delivery, Depth, Lane, LaneKind, Receipt, Settlement};
use crate::stage::Stage;
use crate::{Job, Options, Queue, TraceParent};
use address::Address;
use attributes::Attributes;
use batch::BatchCalls;
use calls::{Calls, Counts};
use fault::Fault;
use keeping::{KEPT_MOST, Kept};
use leases::Leases;
use message::Outgoing;
pub(crate) use provision::provision;

/// A handle on all lanes.
#[derive(Debug)]
pub(crate) struct Sqs {
    lanes: HashMap<Lane, Arc<LaneQueue>>,
    leases: Arc<Leases>,
    keeping: Arc<Semaphore>,
    options: Options,
    region: String,
}

/// The queue of one lane.
#[derive(Debug)]
struct LaneQueue {
    calls: Arc<Calls>,
    sends: BatchCalls<Outgoing>,
    deletes: BatchCalls<String>,
    /// The new message whose send failed, where none succeeded since.
    unsent: Mutex<Option<Outgoing>>,
}

impl Sqs {
    /// Finds region and credentials. The queues are looked up when they are first needed: what an SQS that is away
    /// keeps from its work goes on when it is back.
    pub(crate) async fn open(rest: &str, options: Options) -> Result<Sqs, QueueError> {
        let address = Address::parse(rest)?;
        let (client, region) = client::connect(&address).await?;
        let lanes = Lane::all().map(|lane| {
            let calls = Calls {
                client: client.clone(),
                name: address.queue_name(lane),
                account: address.account.clone(),
                url: OnceCell::new(),
            };
            (lane, Arc::new(LaneQueue::new(calls)))
        });
        let (leases, keeping) = (Arc::new(Leases::new(options.lease)), Arc::new(Semaphore::new(KEPT_MOST)));
        Ok(Sqs { lanes: lanes.collect(), leases, keeping, options, region })
    }

    fn lane(&self, lane: Lane) -> &Arc<LaneQueue> {
        &self.lanes[&lane]
    }

    /// The error of a fault on a lane's queue.
    fn at(&self, lane: Lane) -> impl Fn(Fault) -> QueueError {
        move |fault| fault.at(&format!("{} (SQS, {})", self.lane(lane).calls.name, self.region))
    }

    /// Sends `copy` to `to`, then deletes the original from `from`.
    async fn replace(&self, from: Lane, handle: String, to: Lane, copy: Outgoing) -> Result<(), QueueError> {
        self.lane(to).sends.add(copy).await.map_err(self.at(to))?;
        self.delete(from, handle).await
    }

    /// Goes on trying to put `copy` in the original's place.
    fn keep(&self, from: Lane, handle: String, to: Lane, copy: Outgoing) {
        let Ok(permit) = Arc::clone(&self.keeping).try_acquire_owned() else { return };
        let [from, to] = [from, to].map(|lane| Arc::downgrade(self.lane(lane)));
        let kept = Kept { from, to, leases: Arc::clone(&self.leases), handle, copy, _permit: permit };
        tokio::spawn(kept.settle());
    }

    async fn delete(&self, lane: Lane, handle: String) -> Result<(), QueueError> {
        self.lane(lane).deletes.add(handle).await.map_err(self.at(lane))
    }
}

impl LaneQueue {
    fn new(calls: Calls) -> LaneQueue {
        let calls = Arc::new(calls);
        let (sending, deleting) = (Arc::clone(&calls), Arc::clone(&calls));
        LaneQueue {
            calls,
            sends: BatchCalls::new(move |messages| {
                let calls = Arc::clone(&sending);
                async move { calls.send(messages).await }
            }),
            deletes: BatchCalls::new(move |handles| {
                let calls = Arc::clone(&deleting);
                async move { calls.delete(handles).await }
            }),
            unsent: Mutex::default(),
        }
    }

    /// Sends a new message.
    async fn publish(&self, message: Outgoing) -> Result<(), Fault> {
        let sent = self.sends.add(message.clone()).await;
        *self.unsent() = sent.is_err().then_some(message);
        sent
    }

    /// Sends once more what could not be sent: only a send tells whether rights, or the rights on a KMS key, are there
    /// again. Its publisher was told that it may or may not be there.
    async fn check(&self) -> Result<(), Fault> {
        let unsent = self.unsent().clone();
        match unsent {
            Some(message) => self.publish(message).await,
            None => Ok(()),
        }
    }

    fn unsent(&self) -> MutexGuard<'_, Option<Outgoing>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for Sqs {
    async fn publish(&self, job: &Job, delay: Duration) -> Result<(), QueueError> {
        let (lane, now) = (job.lane(), self.options.clock.now());
        let attributes =
            Attributes { published_at: now, trace_parent: TraceParent::current(), ..Attributes::default() };
        let body = String::from_utf8_lossy(&job.encode()).into_owned();
        let message = Outgoing::delayed(body, attributes, delay, now);
        self.lane(lane).publish(message).await.map_err(self.at(lane))
    }

    async fn forward(&self, stage: Stage, delivery: &Delivery) -> Result<(), QueueError> {
        let lane = Lane::live(stage);
        let attributes = Attributes {
            published_at: delivery.published_at,
            trace_parent: delivery.trace_parent.clone(),
            ..Attributes::default()
        };
        let body = String::from_utf8_lossy(&delivery.body).into_owned();
        let message = Outgoing::delayed(body, attributes, Duration::ZERO, self.options.clock.now());
        self.lane(lane).publish(message).await.map_err(self.at(lane))
    }

    async fn receive(&self, lane: Lane, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.receive_due(lane, max, wait).await
    }

    async fn extend(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let lane = self.leases.get(&receipt.token)?.lane;
        keeping::extend(&self.lane(lane).calls, &self.leases, &receipt.token).await.map_err(self.at(lane))
    }

    async fn settle(&self, delivery: Delivery, settlement: Settlement) -> Result<(), QueueError> {
        let lease = self.leases.get(&delivery.receipt.token)?;
        let (lane, now) = (lease.lane, self.options.clock.now());
        let (to, copy) = match settlement {
            Settlement::Ack => {
                self.leases.end(&delivery.receipt.token)?;
                return self.delete(lane, delivery.receipt.token).await;
            }
            Settlement::RetryAfter { delay, charge } => {
                (lane, Outgoing::retried(&delivery, lease.attributes, delay, charge, now))
            }
            Settlement::DeadLetter { reason } => {
                (Lane::dead(lane.stage), Outgoing::parked(&delivery, lease.attributes, reason, now))
            }
        };
        let handle = delivery.receipt.token;
        if let Err(fault) = self.lane(to).sends.add(copy.clone()).await {
            self.keep(lane, handle, to, copy);
            return Err(self.at(to)(fault));
        }
        self.leases.end(&handle)?;
        self.delete(lane, handle).await
    }

    async fn depth(&self, stage: Stage) -> Result<Depth, QueueError> {
        let counted = Lane::all_of(stage).map(async |lane| {
            let counts = self.lane(lane).calls.counts().await.map_err(self.at(lane))?;
            Ok::<_, QueueError>((lane.kind, counts))
        });
        let mut depth = Depth::default();
        for (kind, Counts { ready, delayed, in_flight }) in try_join_all(counted).await? {
            match kind {
                LaneKind::Live => depth = Depth { ready, delayed, in_flight, ..depth },
                LaneKind::Backfill => depth.backfill = ready + delayed + in_flight,
                LaneKind::Dead => depth.dead = ready + delayed + in_flight,
            }
        }
        Ok(depth)
    }

    async fn dead_letters(&self, stage: Stage, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.look(Lane::dead(stage), max).await
    }

    async fn check(&self) -> Result<(), QueueError> {
        for lane in Stage::ALL.map(Lane::live) {
            self.lane(lane).check().await.map_err(self.at(lane))?;
        }
        let lane = Lane::live(Stage::Archive);
        self.lane(lane).calls.look_up().await.map(|_| ()).map_err(self.at(lane))
    }

    async fn check_rights(&self) -> Result<(), QueueError> {
        let lanes = self.lanes.iter().map(async |(lane, queue)| {
            let checked = async {
                queue.calls.check_rights().await?;
                queue.calls.counts().await.map(drop)
            };
            checked.await.map_err(self.at(*lane))
        });
        try_join_all(lanes).await.map(drop)
    }

    fn lease(&self) -> Duration {
        self.leases.length()
    }
}
