//! The tables of sizes: what a recording costs, what so many ask for, how far so many workers go.

use super::costs::{ASKED, Asked, CATALOG_ROWS, COSTS, asked};
use super::demand::{Demand, POD_CORES, UTILISATION, archive_secs, s3_writes, transcription_secs};
use super::limits::{fleets, limits};
use super::recording;
use super::report::{Table, about, number};

pub(crate) const SIZES: [f64; 3] = [1e4, 1e6, 1e8];
const WORKERS: [u32; 6] = [1, 2, 4, 8, 16, 64];
/// `WORKER_CONCURRENCY` as it is unless set, and as a worker's default memory still carries.
const HANDS: [f64; 2] = [16.0, 100.0];

/// A line of a table: what it tells of a `T`.
type Line<T> = (&'static str, fn(&T) -> f64);

pub(crate) fn print_units() {
    let mut table = Table::new("One recording", &["what it takes", "of one"]);
    let (gb, mut row) = (recording::mean_gb(), |what: &str, value: String| table.row([what.to_owned(), value]));
    let ms = |secs: f64| number(secs * 1e3);
    row("media, MB", number(gb * 1e3));
    row("ingest's CPU, ms", ms(COSTS.ingest_cpu_secs()));
    row("worker's CPU to archive, ms", ms(COSTS.archive_cpu_secs(gb)));
    row("— of which whatever its length", ms(COSTS.archive_fixed_cpu_secs()));
    row("worker's CPU for all stages, ms", ms(COSTS.worker_cpu_secs(gb)));
    row("RabbitMQ's and PostgreSQL's CPU, ms", ms(COSTS.servers_cpu_secs()));
    row("RabbitMQ: messages published, confirmed, delivered, acked", number(asked(|asked| asked.messages)));
    let columns: [Line<Asked>; 3] = [
        ("PostgreSQL: commits", |asked| asked.commits),
        ("PostgreSQL: reads", |asked| asked.reads),
        ("PostgreSQL: statements of both", |asked| asked.statements),
    ];
    for (what, of) in columns {
        let stages: Vec<String> = ASKED.iter().map(|asked| format!("{} {}", asked.stage, of(asked))).collect();
        row(&format!("{what} ({})", stages.join(", ")), number(asked(of)));
    }
    row("PostgreSQL: rows that stay", number(CATALOG_ROWS));
    row("PostgreSQL: bytes that stay", number(COSTS.catalog_bytes));
    row("S3: PUT, POST, DELETE", number(s3_writes()));
    row("S3: GET, HEAD", number(asked(|asked| asked.s3_reads)));
    row("Twilio: requests", number(asked(|asked| asked.twilio)));
    row("Twilio: a media request takes, s", number(archive_secs()));
    row("transcriber: a slot is taken, s", number(transcription_secs()));
    row("a worker's most resident memory, MiB", number(COSTS.worker_memory_mib));
    table.print();
}

pub(crate) fn print_first_limits() {
    let columns = ["recordings a day", "a second, busiest hour", "pods of 2 cores", "slots", "fleets", "first limit"];
    let mut table = Table::new("In short", &columns);
    for size in SIZES {
        let demand = Demand::of(size);
        let over: Vec<_> = limits().into_iter().filter(|limit| limit.share(&demand) > 1.0).collect();
        let first = over.first().map_or("none".to_owned(), |limit| limit.what.clone());
        let first = if over.len() > 1 { format!("{first}, and {} more", over.len() - 1) } else { first };
        let numbers = [size, demand.per_sec, demand.pods(), demand.slots(), fleets(&demand)];
        table.row(numbers.map(number).into_iter().chain([first]));
    }
    table.print();
}

pub(crate) fn print_sizes() {
    let columns = ["in the busiest hour", "10,000 a day", "1,000,000 a day", "100,000,000 a day"];
    let mut table = Table::new("What they ask for", &columns);
    let rows: [Line<Demand>; 19] = [
        ("recordings a second", |demand| demand.per_sec),
        ("media in, MB a second", |demand| demand.bytes_per_sec() / 1e6),
        ("ingest, cores busy", Demand::ingest_cores),
        ("workers, cores busy", Demand::worker_cores),
        ("RabbitMQ and PostgreSQL, cores busy", Demand::servers_cores),
        ("worker pods of 2 cores, 60 % busy", Demand::pods),
        ("RabbitMQ: messages published a second", Demand::messages_per_sec),
        ("PostgreSQL: commits a second", Demand::commits_per_sec),
        ("PostgreSQL: reads a second", Demand::reads_per_sec),
        ("PostgreSQL: rows a year, millions", |demand| demand.per_day * 365.0 * CATALOG_ROWS / 1e6),
        ("PostgreSQL: GB a year", |demand| demand.per_day * 365.0 * COSTS.catalog_bytes / 1e9),
        ("S3: PUT, POST, DELETE a second", Demand::s3_writes_per_sec),
        ("S3: GET, HEAD a second", Demand::s3_reads_per_sec),
        ("S3: TB held at 30 days", |demand| demand.per_day * 30.0 * recording::mean_gb() / 1e3),
        ("Twilio: requests a second", Demand::twilio_requests_per_sec),
        ("Twilio: requests in flight", Demand::twilio_in_flight),
        ("transcriber: slots at work", Demand::slots),
        ("— over the whole day, in the mean", |demand| demand.per_day / 86_400.0 * transcription_secs()),
        ("fleets, each with its queue and catalog", fleets),
    ];
    for (what, of) in rows {
        let cells = SIZES.map(|size| number(of(&Demand::of(size))));
        table.row([what.to_owned()].into_iter().chain(cells));
    }
    table.print();
}

/// A worker ends where its cores do, or its hands.
pub(crate) fn print_workers() {
    let columns = ["workers of 2 cores", "by their CPU, 60 % busy", "by 16 hands a stage", "by 100 hands a stage"];
    let mut table = Table::new("Recordings a day for N workers", &columns);
    let a_day = |per_sec: f64| about(per_sec * 3600.0 / recording::busy_share());
    for workers in WORKERS {
        let count = f64::from(workers);
        let by_cpu = count * POD_CORES * UTILISATION / COSTS.worker_cpu_secs(recording::mean_gb());
        let held_secs = transcription_secs().max(archive_secs());
        let by_hands = HANDS.map(|hands| a_day(count * hands / held_secs));
        table.row([workers.to_string(), a_day(by_cpu)].into_iter().chain(by_hands));
    }
    table.print();
}

pub(crate) fn print_limits() {
    let columns = [
        "limit",
        "there is",
        "used up at, recordings a day",
        "of it at 10,000 a day",
        "at 1,000,000",
        "at 100,000,000",
    ];
    let mut table = Table::new("Limits, in the order in which they are met", &columns);
    for limit in limits() {
        let shares = SIZES.map(|size| {
            let share = limit.share(&Demand::of(size));
            if share > 10.0 { format!("{} times", about(share)) } else { format!("{} %", about(share * 100.0)) }
        });
        let numbers = [number(limit.most), about(limit.per_day())];
        table.row([limit.what.clone()].into_iter().chain(numbers).chain(shares));
    }
    table.print();
}
