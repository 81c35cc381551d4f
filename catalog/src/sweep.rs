//! Sweeps that share what they find.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::error::CatalogError;
use crate::session::Transaction;

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

/// As far as the clocks of two sweeps may be apart.
const APART_MOST_MS: i64 = 5 * 60_000;

impl Sweep {
    /// What was taken later than this was taken by a clock that was wrong, and counts as not taken.
    pub(crate) fn believed_until_ms(self) -> i64 {
        self.now.timestamp_millis().saturating_add(APART_MOST_MS)
    }
}

/// What a sweep took, to be queued. Until it is kept, others pass it by; dropped before, or with the process gone, it
/// is as if it had not been taken: what was queued of it by then is queued once more by the next sweep, and nothing is
/// left out.
#[must_use = "what is not kept is given back"]
pub struct Taken<T> {
    pub(crate) items: Vec<T>,
    /// None where nothing is taken.
    pub(crate) transaction: Option<Transaction>,
}

impl<T> Taken<T> {
    /// What was only looked at.
    pub fn of(items: Vec<T>) -> Self {
        Taken { items, transaction: None }
    }

    pub(crate) fn nothing() -> Self {
        Taken::of(Vec::new())
    }

    /// What was taken.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Takes it for good, now that all of it is queued.
    ///
    /// # Errors
    /// What the database said: it may not be kept then.
    pub async fn keep(self) -> Result<(), CatalogError> {
        match self.transaction {
            Some(transaction) => transaction.commit().await,
            None => Ok(()),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taken").field(&self.items).finish()
    }
}
