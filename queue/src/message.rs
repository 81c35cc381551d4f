//! What a queue hands over and takes back.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::error::DecodeError;
use crate::job::Job;
use crate::stage::Stage;
use crate::trace::TraceParent;

/// Where deliveries are received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The stage.
    pub stage: Stage,
    /// Its dead letters instead of its jobs.
    pub is_dead: bool,
}

impl Lane {
    /// A stage's jobs.
    pub fn live(stage: Stage) -> Lane {
        Lane { stage, is_dead: false }
    }

    /// A stage's dead letters.
    pub fn dead(stage: Stage) -> Lane {
        Lane { stage, is_dead: true }
    }
}

/// One hand-over of a message. Dropped unsettled, the message comes again when the lease runs out.
#[derive(Debug)]
pub struct Delivery {
    /// The message's body; decoded one by one, so that a poison message is one dead letter.
    pub body: Bytes,
    /// Which charged hand-over this is, from 1.
    pub attempt: u32,
    /// When the message was first published; retries don't change it, a redrive does.
    pub published_at: DateTime<Utc>,
    /// Why it is a dead letter, where it is one.
    pub reason: Option<String>,
    /// The trace in which it was published; retries don't change it.
    pub trace_parent: Option<TraceParent>,
    /// What settles it.
    pub receipt: Receipt,
}

impl Delivery {
    /// The job it asks for.
    pub fn job(&self) -> Result<Job, DecodeError> {
        Job::decode(&self.body)
    }
}

/// An engine's handle on one delivery.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub(crate) id: i64,
    pub(crate) token: String,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Done: the message is gone.
    Ack,
    /// Again after `delay`; without `charge` this attempt does not count.
    RetryAfter {
        /// How long it stays out of sight.
        delay: std::time::Duration,
        /// Whether the attempt counts.
        charge: bool,
    },
    /// Parked with its reason until redriven.
    DeadLetter {
        /// Why.
        reason: String,
    },
}

/// How many messages a stage has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// To be received now.
    pub ready: u64,
    /// To be received later.
    pub delayed: u64,
    /// Received and not settled; only by this handle where [`sees_all_in_flight`](crate::Queue::sees_all_in_flight) is
    /// false.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A parked message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its body.
    pub body: Bytes,
    /// Why it was parked.
    pub reason: String,
    /// Attempts made.
    pub attempt: u32,
    /// When it was first published.
    pub published_at: DateTime<Utc>,
    /// When it was parked.
    pub died_at: DateTime<Utc>,
}
