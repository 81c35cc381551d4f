//! What a queue hands over and takes back.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::error::DecodeError;
use crate::job::Job;
use crate::stage::Stage;
use crate::trace::TraceParent;

/// Where deliveries are received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lane {
    /// The stage.
    pub stage: Stage,
    /// Which of its lanes.
    pub kind: LaneKind,
}

/// The lanes of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneKind {
    /// The jobs of new recordings.
    Live,
    /// The jobs of old recordings, which wait until no new one does; not every stage has it.
    Backfill,
    /// The dead letters of both.
    Dead,
}

impl Lane {
    /// A stage's jobs.
    pub const fn live(stage: Stage) -> Lane {
        Lane { stage, kind: LaneKind::Live }
    }

    /// A stage's jobs that can wait; all of its jobs where it tells none apart.
    pub const fn backfill(stage: Stage) -> Lane {
        Lane { stage, kind: if stage.has_backfill() { LaneKind::Backfill } else { LaneKind::Live } }
    }

    /// A stage's dead letters.
    pub const fn dead(stage: Stage) -> Lane {
        Lane { stage, kind: LaneKind::Dead }
    }

    /// The lanes of `stage` that there are.
    pub fn all_of(stage: Stage) -> impl Iterator<Item = Lane> {
        let backfill = stage.has_backfill().then_some(Lane::backfill(stage));
        [Lane::live(stage)].into_iter().chain(backfill).chain([Lane::dead(stage)])
    }

    /// Every lane.
    pub fn all() -> impl Iterator<Item = Lane> {
        Stage::ALL.into_iter().flat_map(Lane::all_of)
    }

    /// Whether dead letters are in it.
    pub fn is_dead(self) -> bool {
        self.kind == LaneKind::Dead
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
    /// To be received now, in the live lane.
    pub ready: u64,
    /// To be received later, in the live lane.
    pub delayed: u64,
    /// Received from the live lane and not settled; only by this handle where
    /// [`sees_all_in_flight`](crate::Queue::sees_all_in_flight) is false.
    pub in_flight: u64,
    /// All of these of the backfill lane.
    pub backfill: u64,
    /// Dead letters of both lanes.
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
