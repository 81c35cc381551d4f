//! The calls of a run, and how each has to end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulator::{CallPlan, CallbackPlan, MediaPlan};

/// Three parts of an upload.
const LONG_BYTES: u64 = 12_000_000;

/// Where a recording's way leads when nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Archived, transcribed, delivered.
    Transcribed,
    /// Encrypted by Twilio: there is nothing to hear.
    Archived,
    /// Twilio kept nothing.
    Absent,
    /// Twilio lost it.
    Failed,
    /// Past its date: gone here and at Twilio.
    Deleted,
}

impl End {
    /// The row's status.
    pub(crate) fn status(self) -> &'static str {
        match self {
            End::Transcribed => "transcribed",
            End::Archived => "archived",
            End::Absent => "absent",
            End::Failed => "failed",
            End::Deleted => "deleted",
        }
    }
}

pub(crate) struct Call {
    /// When it is placed, from the run's begin.
    pub(crate) at: Duration,
    pub(crate) plan: CallPlan,
    pub(crate) end: End,
}

/// `count` calls spread over a time; the same ones for the same seed.
pub(crate) fn drawn(seed: u64, count: u64, spread: Duration, now: DateTime<Utc>) -> Vec<Call> {
    let mut random = StdRng::seed_from_u64(seed ^ 0xca11);
    (0..count).map(|index| call(index, spread, now, &mut random)).collect()
}

fn call(index: u64, spread: Duration, now: DateTime<Utc>, random: &mut StdRng) -> Call {
    let mut one_in = |many: u32| random.random_ratio(1, many);
    let callbacks = CallbackPlan {
        duplicates: u32::from(one_in(10)),
        out_of_order: one_in(10),
        forged: one_in(10),
        none: one_in(20),
        also_in_progress: one_in(10),
    };
    let is_trunk = one_in(20);
    let (age, media, end) = match random.random_range(0..40) {
        0..4 => (TimeDelta::days(40), None, End::Deleted),
        4..6 => (TimeDelta::minutes(10), Some(MediaPlan::Absent { code: 16101 }), End::Absent),
        6..7 => (TimeDelta::minutes(10), Some(MediaPlan::Failed { code: 16104 }), End::Failed),
        7..9 => (TimeDelta::minutes(10), Some(MediaPlan::Encrypted), End::Archived),
        9..11 => (TimeDelta::minutes(10), Some(MediaPlan::Synthetic { bytes: LONG_BYTES }), End::Transcribed),
        _ => (TimeDelta::minutes(10), None, End::Transcribed),
    };
    let nth = CallPlan::nth(index, now - age);
    let (media, source) = (media.unwrap_or(nth.media), if is_trunk { "Trunking" } else { nth.source });
    let at = spread.mul_f64(random.random_range(0.0..1.0));
    Call { at, plan: CallPlan { media, source, callbacks, ..nth }, end }
}
