//! A day of recordings through workers and a transcriber, event by event: who arrives takes the server that is free
//! first, in order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::random::Random;

/// One thing that needs a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Seconds since the day began.
    pub(crate) at: f64,
    /// Seconds of audio.
    pub(crate) length: f64,
}

/// What became of arrivals at one set of servers.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// In order of arrival: when each came, and how long it waited, in seconds.
    pub(crate) waits: Vec<(f64, f64)>,
    /// Those that are done, in the order in which they are.
    pub(crate) done: Vec<Arrival>,
    /// Most that waited at one time.
    pub(crate) longest_backlog: usize,
}

/// Arrivals of a day: a Poisson process whose rate is `per_day` times the hour's percentage, with lengths by `length`.
pub(crate) fn day(
    random: &mut Random,
    per_day: f64,
    percents: &[f64],
    mut length: impl FnMut(&mut Random) -> f64,
) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for (hour, percent) in percents.iter().enumerate() {
        let (rate, began) = (per_day * percent / 100.0 / 3600.0, hour as f64 * 3600.0);
        // A Poisson process remembers nothing: it may begin anew at the hour.
        let mut at = began + random.exponential(rate);
        while at < began + 3600.0 {
            arrivals.push(Arrival { at, length: length(random) });
            at += random.exponential(rate);
        }
    }
    arrivals
}

/// Serves all `arrivals`, which come in order, with so many servers, each for as long as `service` says.
pub(crate) fn serve(arrivals: &[Arrival], servers: usize, mut service: impl FnMut(&Arrival) -> f64) -> Served {
    let mut free: BinaryHeap<Reverse<Moment>> = (0..servers).map(|_| Reverse(Moment(0.0))).collect();
    let mut served = Served::default();
    let mut starts = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let Some(Reverse(Moment(free_at))) = free.pop() else { break };
        let start = arrival.at.max(free_at);
        let end = start + service(arrival);
        free.push(Reverse(Moment(end)));
        starts.push(start);
        served.waits.push((arrival.at, start - arrival.at));
        served.done.push(Arrival { at: end, length: arrival.length });
    }
    served.done.sort_by(|one, other| one.at.total_cmp(&other.at));
    served.longest_backlog = longest_backlog(arrivals, &starts);
    served
}

/// At each start those wait that came before it and have not begun; starts are in order, as arrivals are.
fn longest_backlog(arrivals: &[Arrival], starts: &[f64]) -> usize {
    let (mut arrived, mut longest) = (0, 0);
    for (begun, start) in starts.iter().enumerate() {
        while arrivals.get(arrived).is_some_and(|arrival| arrival.at < *start) {
            arrived += 1;
        }
        longest = longest.max(arrived.saturating_sub(begun));
    }
    longest
}

impl Served {
    /// The wait that a `share` of those that arrived within `hours` did not exceed, in seconds.
    pub(crate) fn wait_secs(&self, hours: Range<f64>, share: f64) -> f64 {
        let mut waits: Vec<f64> = self.waits_of(hours).collect();
        waits.sort_by(f64::total_cmp);
        waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// The mean wait of those that arrived within `hours`, in seconds.
    pub(crate) fn mean_wait_secs(&self, hours: Range<f64>) -> f64 {
        self.waits_of(hours.clone()).sum::<f64>() / self.waits_of(hours).count() as f64
    }

    /// Which share of those that arrived within `hours` had to wait.
    pub(crate) fn waited(&self, hours: Range<f64>) -> f64 {
        let waited = self.waits_of(hours.clone()).filter(|wait| *wait > 0.0).count();
        waited as f64 / self.waits_of(hours).count() as f64
    }

    fn waits_of(&self, hours: Range<f64>) -> impl Iterator<Item = f64> {
        self.waits.iter().filter(move |(at, _)| hours.contains(&(at / 3600.0))).map(|(_, wait)| *wait)
    }

    /// When one had to wait longer than `secs` for the first time, and when the last of those began to be served.
    pub(crate) fn waited_longer(&self, secs: f64) -> Option<(f64, f64)> {
        let mut long = self.waits.iter().filter(|(_, wait)| *wait > secs);
        let first = long.next()?;
        let (last, wait) = long.next_back().unwrap_or(first);
        Some((first.0, last + wait))
    }
}

/// A time that can be put in order: none is ever not a number.
struct Moment(f64);

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
