//! One lane's consumer, with room for what was asked for and no more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use super::topology;
use super::trouble::{Trouble, within};

/// RabbitMQ lets no consumer of a quorum queue have more.
const PREFETCH_MOST: usize = 2000;
const LIMIT: Duration = Duration::from_secs(5);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A channel, and the consumer on it while somebody receives.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: u64,
    queue: String,
    channel: Channel,
    consumer: Option<Consumer>,
    /// How many deliveries the consumer may have unsettled.
    prefetch: usize,
    /// What came and was not handed out.
    waiting: VecDeque<Delivery>,
    /// When a receiver last wanted something.
    pub(super) wanted_at: Instant,
}

impl Subscription {
    pub(super) async fn open(connection: &Connection, queue: String) -> Result<Subscription, Trouble> {
        let channel = within(LIMIT, connection.create_channel()).await?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (waiting, wanted_at) = (VecDeque::new(), Instant::now());
        Ok(Subscription { id, queue, channel, consumer: None, prefetch: 0, waiting, wanted_at })
    }

    /// Whether it is alive.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// Whether up to `unsettled` deliveries may come.
    pub(super) fn has_room(&self, unsettled: usize) -> bool {
        self.is_open() && self.consumer.is_some() && self.prefetch >= unsettled.min(PREFETCH_MOST)
    }

    /// Whether more may come than the `held` that were handed out, or came already.
    pub(super) fn may_bring_more(&self, held: usize) -> bool {
        !self.waiting.is_empty() || (self.consumer.is_some() && self.prefetch > held)
    }

    /// Lets up to `unsettled` deliveries come. A consumer's prefetch is fixed when it begins: where it is too small, another
    /// takes its place.
    pub(super) async fn make_room(&mut self, unsettled: usize) -> Result<(), Trouble> {
        within(LIMIT, self.replace_consumer(unsettled)).await
    }

    async fn replace_consumer(&mut self, unsettled: usize) -> Result<(), lapin::Error> {
        self.cancel().await?;
        self.prefetch = unsettled.min(PREFETCH_MOST);
        let prefetch = u16::try_from(self.prefetch).unwrap_or(u16::MAX);
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        self.consumer =
            Some(self.channel.basic_consume(self.queue.as_str().into(), "".into(), options, arguments).await?);
        Ok(())
    }

    /// Nothing comes any more; what was handed out can still be settled.
    async fn cancel(&mut self) -> Result<(), lapin::Error> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        // What the broker sent before it knew.
        self.gather();
        self.consumer = None;
        Ok(())
    }

    /// Stops consuming, and takes what was not handed out.
    pub(super) async fn stop(&mut self) -> Result<Vec<Delivery>, Trouble> {
        within(LIMIT, self.cancel()).await?;
        Ok(self.waiting.drain(..).collect())
    }

    /// The next delivery that is here already.
    pub(super) fn next_here(&mut self) -> Option<Delivery> {
        self.gather();
        self.waiting.pop_front()
    }

    /// Waits for a delivery, which is then here; `false` when none can come any more.
    pub(super) async fn arrival(&mut self) -> bool {
        let Some(consumer) = &mut self.consumer else { return false };
        let next = consumer.next().await;
        self.keep(next);
        self.consumer.is_some()
    }

    fn keep(&mut self, next: Option<Result<Delivery, lapin::Error>>) {
        match next {
            Some(Ok(delivery)) => self.waiting.push_back(delivery),
            // It was cancelled, its queue was deleted, or the channel is gone.
            Some(Err(_)) | None => self.consumer = None,
        }
    }

    /// Asks the broker, so that what it had to give is here, or under way: `true`.
    pub(super) async fn look(&mut self) -> Result<bool, Trouble> {
        let queue = [self.queue.clone()];
        let ready = within(LIMIT, topology::ready(&self.channel, &queue)).await?;
        self.gather();
        Ok(self.waiting.is_empty() && ready != [0])
    }

    fn gather(&mut self) {
        while let Some(next) = self.consumer.as_mut().and_then(|consumer| consumer.next().now_or_never()) {
            self.keep(next);
        }
    }
}
