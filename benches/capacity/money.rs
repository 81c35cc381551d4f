//! What an hour of recorded audio costs, and whom it is paid to.

use super::costs::asked;
use super::demand::{Demand, s3_writes};
use super::prices;
use super::recording;
use super::report::Table;

/// Cores are there all day for the busiest hour: in a big fleet what they cost an hour does not depend on its size.
const BIG: f64 = 1e6;
/// A small one pays for processes that idle: two of ingest and a worker, three of RabbitMQ, PostgreSQL. Assumed.
const SMALL: f64 = 1e4;
const SMALL_CORES: f64 = 8.0;

struct Item {
    what: &'static str,
    least: f64,
    most: f64,
    /// Whether callvault is why it is paid.
    is_ours: bool,
}

impl Item {
    fn ours(what: &'static str, least: f64, most: f64) -> Item {
        Item { what, least, most, is_ours: true }
    }

    fn theirs(what: &'static str, least: f64, most: f64) -> Item {
        Item { what, least, most, is_ours: false }
    }
}

pub(crate) fn print() {
    let mut table = Table::new("An hour of recorded audio, in US dollars", &["what", "least", "most"]);
    let items = items();
    for item in &items {
        table.row([item.what.to_owned(), usd(item.least), usd(item.most)]);
    }
    let sum = |of: fn(&Item) -> f64, is_counted: fn(&Item) -> bool| -> f64 {
        items.iter().filter(|item| is_counted(item)).map(of).sum()
    };
    let all = [sum(|item| item.least, |_| true), sum(|item| item.most, |_| true)];
    let ours = [sum(|item| item.least, |item| item.is_ours), sum(|item| item.most, |item| item.is_ours)];
    let percents = [0, 1].map(|end| format!("{:.1} %", 100.0 * ours[end] / all[end]));
    table.row(["**all of it**".to_owned()].into_iter().chain(all.map(usd)));
    table.row(["**of which callvault and its engines**".to_owned()].into_iter().chain(ours.map(usd)));
    table.row(["**in percent**".to_owned()].into_iter().chain(percents));
    table.print();
}

fn items() -> [Item; 7] {
    let (recordings, gb) = (recording::per_recorded_hour(), recording::per_recorded_hour() * recording::mean_gb());
    let compute = |cores: f64, per_day: f64| cores * 24.0 * prices::VCPU_HOUR / per_day * recordings;
    let (big, small) = (compute(Demand::of(BIG).cores_to_have(), BIG), compute(SMALL_CORES, SMALL));
    let (writes, reads) = (s3_writes() * recordings, asked(|asked| asked.s3_reads) * recordings);
    let requests = writes / 1e3 * prices::S3_WRITES_PER_1K + reads / 1e3 * prices::S3_READS_PER_1K;
    let storage = gb * prices::S3_GB_MONTH * prices::KEPT_MONTHS;
    let transcriber = |minute: f64| minute * 60.0 * recording::CHANNELS;
    [
        Item::ours("CPU of ingest, workers, RabbitMQ and PostgreSQL", big, small),
        Item::ours("S3 requests", requests, requests),
        Item::ours("S3 storage, 30 days", storage, storage),
        Item::theirs("out of AWS to the transcriber", 0.0, gb * prices::EGRESS_GB),
        Item::theirs("Twilio: recording", prices::TWILIO_MINUTE * 60.0, prices::TWILIO_MINUTE * 60.0),
        Item::theirs(
            "Twilio: storage, 0 or 30 days",
            0.0,
            prices::TWILIO_KEPT_MINUTE_MONTH * 60.0 * prices::KEPT_MONTHS,
        ),
        Item::theirs(
            "transcriber, two channels",
            transcriber(prices::TRANSCRIBER_MINUTE_LEAST),
            transcriber(prices::TRANSCRIBER_MINUTE_MOST),
        ),
    ]
}

fn usd(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.4}") }
}
