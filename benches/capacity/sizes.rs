//! The tables of sizes: what a recording costs, what so many ask for, how far so many workers go.

use super::costs::{ASKED, CATALOG_ROWS, COSTS, asked};
use super::demand::{Demand, POD_CORES, UTILISATION, archive_secs, s3_writes, transcription_secs};
use super::limits::{fleets, limits};
use super::recording;
use super::report::{Table, about, number, together};

pub(crate) const SIZES: [f64; 3] = [1e4, 1e6, 1e8];
const WORKERS: [u32; 6] = [1, 2, 4, 8, 16, 64];
/// `WORKER_CONCURRENCY` as it is unless set, and as a worker's default memory still carries.
const HANDS: [f64; 2] = [16.0, 100.0];

/// A line of a table: numbers that belong together.
type Line = (&'static str, fn(&Demand) -> Vec<f64>);

pub(crate) fn print_units() {
    let mut table = Table::new("One recording", &["what it takes", "of one"]);
    let (gb, mut row) = (recording::mean_gb(), |what: &str, values: &[f64]| {
        table.row([what.to_owned(), together(values.iter().copied())]);
    });
    row("media, MB", &[gb * 1e3]);
    row("ingest's CPU, ms", &[COSTS.ingest_cpu_secs() * 1e3]);
    let archive = [COSTS.archive_cpu_secs(gb), COSTS.archive_fixed_cpu_secs()].map(|secs| secs * 1e3);
    row("worker's CPU to archive · of it whatever the length, ms", &archive);
    row("worker's CPU for all stages, ms", &[COSTS.worker_cpu_secs(gb) * 1e3]);
    row("a worker's most resident memory, MiB", &[COSTS.worker_memory_mib]);
    row("RabbitMQ's and PostgreSQL's CPU, ms", &[COSTS.servers_cpu_secs() * 1e3]);
    row("RabbitMQ: messages published, confirmed, delivered, acked", &[asked(|asked| asked.messages)]);
    for stage in &ASKED {
        let what = format!("PostgreSQL, {}: commits · reads · statements of both", stage.stage);
        row(&what, &[stage.commits, stage.reads, stage.statements]);
    }
    row("PostgreSQL: rows · bytes that stay", &[CATALOG_ROWS, COSTS.catalog_bytes]);
    row("S3: PUT, POST · GET, HEAD", &[s3_writes(), asked(|asked| asked.s3_reads)]);
    row("Twilio: requests · seconds of the media's", &[asked(|asked| asked.twilio), archive_secs()]);
    row("transcriber: seconds that a slot is taken", &[transcription_secs()]);
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
    let rows: [Line; 11] = [
        ("recordings a second", |demand| vec![demand.per_sec]),
        ("media in, MB a second", |demand| vec![demand.bytes_per_sec() / 1e6]),
        ("cores busy: ingest · workers · RabbitMQ and PostgreSQL", |demand| {
            vec![demand.ingest_cores(), demand.worker_cores(), demand.servers_cores()]
        }),
        ("worker pods of 2 cores, 60 % busy", |demand| vec![demand.pods()]),
        ("RabbitMQ: messages published a second", |demand| vec![demand.messages_per_sec()]),
        ("PostgreSQL: commits · reads a second", |demand| vec![demand.commits_per_sec(), demand.reads_per_sec()]),
        ("PostgreSQL: millions of rows · GB a year", |demand| {
            let millions = demand.per_day * 365.0 / 1e6;
            vec![millions * CATALOG_ROWS, millions * COSTS.catalog_bytes / 1e3]
        }),
        ("S3: PUT, POST · GET, HEAD a second", |demand| vec![demand.s3_writes_per_sec(), demand.s3_reads_per_sec()]),
        ("S3: TB held at 30 days", |demand| vec![demand.per_day * 30.0 * recording::mean_gb() / 1e3]),
        ("Twilio: requests a second · in flight", |demand| {
            vec![demand.twilio_requests_per_sec(), demand.twilio_in_flight()]
        }),
        ("transcriber: slots at work · in the mean of the whole day", |demand| {
            vec![demand.slots(), demand.per_day / 86_400.0 * transcription_secs()]
        }),
    ];
    for (what, of) in rows {
        let cells = SIZES.map(|size| together(of(&Demand::of(size))));
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
