//! Sweeps that share what they find.

use chrono::{DateTime, Utc};

/// A sweep under way, to the catalog: it takes for itself what it finds, and leaves out what a sweep of its kind took
/// lately. What was taken longer ago and is still there is taken again, so nothing depends on what became of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// When it began; what is due is due by then.
    pub began_at: DateTime<Utc>,
    /// The time now.
    pub now: DateTime<Utc>,
    /// What was taken at this time or later is left out.
    pub again_before: DateTime<Utc>,
}
