//! What becomes too much, and at how many recordings a day. All loads grow in proportion, so one number tells it.

use super::costs::COSTS;
use super::demand::{Demand, UTILISATION, s3_writes};

/// Write transactions a second of one PostgreSQL primary. Assumed: run pgbench on yours.
const POSTGRES_COMMITS_PER_SEC: f64 = 10_000.0;
/// How big a catalog may get that one still wants to back up and restore. Assumed.
const CATALOG_BYTES: f64 = 4e12;
/// Requests at a time that Twilio lets an account have. It publishes no number; assumed.
const TWILIO_CONCURRENCY: f64 = 20.0;
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>
const S3_WRITES_PER_SEC: f64 = 3_500.0;
const S3_READS_PER_SEC: f64 = 5_500.0;
/// Few and many of a transcriber's slots: what contracts begin with.
pub(crate) const SLOTS: [u32; 2] = [100, 250];

/// One thing that there is only so much of.
pub(crate) struct Limit {
    pub(crate) what: String,
    /// How much of it one fleet may use.
    pub(crate) most: f64,
    load: fn(&Demand) -> f64,
    /// Whether only a second fleet, with engines of its own, brings more of it.
    is_fleets: bool,
}

impl Limit {
    fn new(what: impl Into<String>, most: f64, load: fn(&Demand) -> f64) -> Limit {
        Limit { what: what.into(), most, load, is_fleets: false }
    }

    fn of_a_fleet(self) -> Limit {
        Limit { is_fleets: true, ..self }
    }

    /// How much of it `demand` uses; 1 is all there is.
    pub(crate) fn share(&self, demand: &Demand) -> f64 {
        (self.load)(demand) / self.most
    }

    /// Recordings a day at which it is used up.
    pub(crate) fn per_day(&self) -> f64 {
        const ANY: f64 = 1e6;
        ANY / self.share(&Demand::of(ANY))
    }
}

/// All limits, the first to be met first.
pub(crate) fn limits() -> Vec<Limit> {
    let slots = SLOTS.map(|slots| {
        let most = f64::from(slots);
        Limit::new(format!("the transcriber's {slots} slots, all taken"), most, Demand::slots)
    });
    let commits = POSTGRES_COMMITS_PER_SEC * UTILISATION;
    let deliveries = COSTS.queue_deliveries_per_sec.min(COSTS.queue_publishes_per_sec) * UTILISATION;
    let others = [
        Limit::new("one Twilio account's requests in flight", TWILIO_CONCURRENCY, Demand::twilio_in_flight),
        Limit::new("one catalog's size, after a year, TB", CATALOG_BYTES / 1e12, |demand| {
            demand.per_day * 365.0 * COSTS.catalog_bytes / 1e12
        })
        .of_a_fleet(),
        Limit::new("one PostgreSQL's commits a second", commits, Demand::commits_per_sec).of_a_fleet(),
        Limit::new("one S3 prefix's PUTs a second, never split", S3_WRITES_PER_SEC, new_writes_per_sec),
        Limit::new("one S3 prefix's GETs a second, never split", S3_READS_PER_SEC, Demand::s3_reads_per_sec),
        Limit::new("one quorum queue's messages a second", deliveries, |demand| demand.per_sec).of_a_fleet(),
    ];
    let mut limits: Vec<Limit> = slots.into_iter().chain(others).collect();
    limits.sort_by(|one, other| one.per_day().total_cmp(&other.per_day()));
    limits
}

/// Fleets, each with queue and catalog of its own, that so many recordings a day take.
pub(crate) fn fleets(demand: &Demand) -> f64 {
    let shares = limits().into_iter().filter(|limit| limit.is_fleets).map(|limit| limit.share(demand));
    shares.fold(1.0, f64::max).ceil()
}

/// Deletes are of another day's keys, so of another prefix.
fn new_writes_per_sec(demand: &Demand) -> f64 {
    demand.per_sec * (s3_writes() - 1.0)
}
