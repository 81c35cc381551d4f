//! Several runs as one number: the median, and how far they lie apart.

use std::fmt;
use std::time::Duration;

/// Median, least and most of a few runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one run.
    pub(crate) fn of(runs: impl IntoIterator<Item = f64>) -> Spread {
        let mut runs: Vec<f64> = runs.into_iter().collect();
        runs.sort_by(f64::total_cmp);
        Spread { median: runs[runs.len() / 2], least: runs[0], most: runs[runs.len() - 1] }
    }
}

/// `3.1 (2.9-3.4)`; `{:.0}` for whole numbers.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$} ({:.digits$}-{:.digits$})", self.median, self.least, self.most)
    }
}

/// The value that `share` of the sorted values do not exceed, in milliseconds (nearest rank).
pub(crate) fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |value| value.as_secs_f64() * 1000.0)
}
