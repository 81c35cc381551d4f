//! Jobs, deliveries and settlements, and the engines that carry them.
//!
//! The queue is only the doorbell: it carries ids, and the catalog is the truth. A message may come twice, late or out
//! of order.

mod amqp;
mod clock;
#[cfg(feature = "testing")]
pub mod contract;
mod embedded;
mod error;
mod job;
mod message;
mod sqs;
mod stage;
mod trace;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use clock::Clock;
pub use error::{DecodeError, QueueError, Source};
pub use job::Job;
pub use message::{DeadLetter, Delivery, Depth, Lane, LaneKind, Receipt, Settlement};
pub use stage::{Stage, UnknownStage};
pub use trace::{TraceParent, TraceParentError};

/// How an engine is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a delivery is one receiver's alone, unless extended. Zero, on the embedded engine, is for a queue with one
    /// receiver: until it is settled, a delivery is what the next receive begins with.
    pub lease: Duration,
    /// The clock of delays and leases, where the engine has none of its own.
    pub clock: Clock,
}

/// Opens the queue that `url` names by its scheme: `sqlite:PATH`, `amqp://…` or `amqps://…`
/// (RabbitMQ), or `sqs://PREFIX?region=REGION`. Fails where the engine refuses; a server that is away is waited for, and
/// each operation fails meanwhile.
pub async fn open(url: &str, options: Options) -> Result<Arc<dyn Queue>, QueueError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(Arc::new(embedded::Embedded::open(path, options).await?)),
        Some(("amqp" | "amqps", _)) => Ok(Arc::new(amqp::Amqp::open(url, options).await?)),
        Some(("sqs", rest)) => Ok(Arc::new(sqs::Sqs::open(rest, options).await?)),
        scheme => Err(unknown(scheme)),
    }
}

/// Makes ahead what the queue that `url` names needs, where that is not made on first use. Safe any number of times.
/// The names of what was made.
pub async fn provision(url: &str) -> Result<Vec<String>, QueueError> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Vec::new()),
        Some(("amqp" | "amqps", _)) => amqp::provision(url).await,
        Some(("sqs", rest)) => sqs::provision(rest).await,
        scheme => Err(unknown(scheme)),
    }
}

/// The rest of the URL may hold a password.
fn unknown(scheme: Option<(&str, &str)>) -> QueueError {
    let scheme = scheme.map_or("it", |(scheme, _)| scheme);
    QueueError::Unsupported(format!(
        "{scheme} names no queue this build knows: expected sqlite:PATH, amqp[s]://HOST or sqs://PREFIX?region=REGION"
    ))
}

/// A durable queue: each stage has a lane of jobs, most have one of a backfill's beside it, and all have one of dead
/// letters. Every engine passes the contract suite.
#[async_trait]
pub trait Queue: Debug + Send + Sync + 'static {
    /// Returns after the engine confirmed that the message outlives a crash. It waits in the lane that [`Job::lane`] names.
    /// The current trace goes with it. An error means it may or may not be there: publish again. Not to be received before
    /// `delay` has passed.
    async fn publish(&self, job: &Job, delay: Duration) -> Result<(), QueueError>;

    /// Publishes what another queue handed over, to be received at once. Its body, when it was first published and its
    /// trace go with it; its attempts begin anew. Returns as [`Queue::publish`]: settle `delivery` there afterwards.
    async fn forward(&self, stage: Stage, delivery: &Delivery) -> Result<(), QueueError>;

    /// Up to `max` deliveries of `lane`, oldest visible first; waits up to `wait` for the first, and returns none when
    /// there is none by then. Each is leased for [`Queue::lease`] and comes again, as a further attempt, when it is not
    /// settled by then. Dropping the future loses nothing: what it may have leased comes again.
    async fn receive(&self, lane: Lane, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// A whole new lease from now; [`QueueError::LeaseLost`] where it ran out and the message went to another receiver.
    async fn extend(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Ends a delivery; a retry goes back to its own lane. [`QueueError::LeaseLost`] where it went to another receiver: nothing is changed then. After any
    /// other error it is not ended yet: the engine goes on trying by itself, or the message comes again.
    async fn settle(&self, delivery: Delivery, settlement: Settlement) -> Result<(), QueueError>;

    /// What waits in a stage, dead letters included.
    async fn depth(&self, stage: Stage) -> Result<Depth, QueueError>;

    /// How long one delivery may be kept, however often its lease is extended; `None` where that is up to the receiver.
    fn longest_delivery(&self) -> Option<Duration> {
        None
    }

    /// Said by a receiver that will receive no more and has yet to settle: what goes back to the queue from here on goes to
    /// others. A moment at most.
    async fn stop_receiving(&self) {}

    /// Sees to it that what was settled is with the engine before the process ends; a moment at most. What is still
    /// leased comes again.
    async fn flush(&self) {}

    /// Whether [`Depth::in_flight`] counts what other processes have received too. AMQP tells nobody.
    fn sees_all_in_flight(&self) -> bool {
        true
    }

    /// A look at up to `max` dead letters, oldest first; nothing moves.
    async fn dead_letters(&self, stage: Stage, max: usize) -> Result<Vec<DeadLetter>, QueueError>;

    /// Whether a publish could succeed now. Cheap: health routes ask.
    async fn check(&self) -> Result<(), QueueError>;

    /// Whether every stage's jobs and dead letters could be published, received and settled now: all that a worker of all
    /// stages needs. No message moves. Takes many calls: operators ask.
    async fn check_rights(&self) -> Result<(), QueueError>;

    /// The length of a lease.
    fn lease(&self) -> Duration;
}

/// Puts up to `max` dead letters of a stage back into the lanes they came from, each with its attempts counted anew. A crash between the two steps
/// leaves a message in both places, never in none.
pub async fn redrive(queue: &dyn Queue, stage: Stage, max: usize) -> Result<usize, QueueError> {
    let mut redriven = 0;
    while redriven < max {
        let page = (max - redriven).min(64);
        let letters = queue.receive(Lane::dead(stage), page, Duration::ZERO).await?;
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            match letter.job() {
                Ok(job) => {
                    queue.publish(&job, Duration::ZERO).await?;
                    queue.settle(letter, Settlement::Ack).await?;
                    redriven += 1;
                }
                // It can't be read by this version: it stays where it is, out of sight for the length of a lease.
                Err(error) => tracing::warn!(%stage, %error, "dead letter left where it is"),
            }
        }
    }
    Ok(redriven)
}
