//! Sweeps that share what they find.

use chrono::{DateTime, Utc};

/// A sweep under way, to the catalog: it takes for itself what it finds, and leaves out what another sweep of its kind
/// took since it began. A sweep that begins later takes all of it again, so nothing depends on what became of the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// When it began; what is due is due by then.
    pub began_at: DateTime<Utc>,
    /// The time now.
    pub now: DateTime<Utc>,
}
