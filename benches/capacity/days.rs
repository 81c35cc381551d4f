//! A simulated day, beside what the formulas say of it.

use std::ops::Range;

use super::costs::COSTS;
use super::demand::{Demand, TRANSCRIBER_SPEED, UTILISATION, transcription_secs};
use super::erlang::Erlang;
use super::limits::{SLOTS, fleets};
use super::random::Random;
use super::recording::{CHANNEL_BYTES_PER_SEC, CHANNELS, DAY, MEAN_SECS, MOST_SECS, SPREAD, busy_share, mean_gb};
use super::report::{Table, about, clock, duration, number};
use super::simulation::{Served, day, serve};

const SEED: u64 = 1;
const FEW: u32 = SLOTS[0];
const MANY: u32 = SLOTS[1];
/// Recordings a day, and slots: far from the limit, at nine tenths of it, beyond it for hours, and beyond it for good.
const CASES: [(f64, u32); 7] =
    [(1e4, FEW), (4.5e5, FEW), (1e6, FEW), (2e6, FEW), (1e6, MANY), (1.2e6, MANY), (2e6, MANY)];
/// A fleet that is one of many buys slots of its own: how much of them is at work in its busiest hour.
const SHARD_UTILISATION: f64 = 0.9;
const WHOLE_DAY: Range<f64> = 0.0..f64::MAX;
/// A wait that somebody notices.
const LONG_SECS: f64 = 60.0;

/// The day's arrivals at the workers, and what the workers hand on at the slots.
struct Simulated {
    archived: Served,
    transcribed: Served,
}

pub(crate) fn print() {
    print_slots();
    let columns = [
        "recordings a day, slots",
        "busiest hour: slots wanted",
        "must wait · mean · p99, Erlang C",
        "simulated",
        "whole day, simulated: p50 · p99",
        "longest backlog, by flow",
        "simulated",
        "waits over a minute",
    ];
    let mut days = Table::new("A simulated day before the transcriber", &columns);
    let columns = ["recordings a day", "cores to archive", "p99 wait for a core, busiest hour", "longest backlog"];
    let mut workers = Table::new("The same days before the workers", &columns);
    let mut told = Vec::new();
    for (size, slots) in CASES.into_iter().chain([shard()]) {
        let simulated = simulate(size, slots);
        days.row(day_row(size, slots, &simulated.transcribed));
        if !told.contains(&size) {
            workers.row(workers_row(size, &simulated.archived));
            told.push(size);
        }
    }
    days.print();
    workers.print();
}

/// One of the fleets that the largest size takes: the others are like it.
fn shard() -> (f64, u32) {
    const LARGEST: f64 = 1e8;
    let per_day = LARGEST / fleets(&Demand::of(LARGEST));
    (per_day, (Demand::of(per_day).slots() / SHARD_UTILISATION).ceil() as u32)
}

/// Through as many cores as are planned for the archive, and then through the slots.
fn simulate(per_day: f64, slots: u32) -> Simulated {
    let mut random = Random::seeded(SEED);
    let arrivals = day(&mut random, per_day, &DAY, |random| random.log_normal(MEAN_SECS, SPREAD).min(MOST_SECS));
    let archived = serve(&arrivals, archive_cores(per_day), |arrival| {
        COSTS.archive_cpu_secs(arrival.length * CHANNELS * CHANNEL_BYTES_PER_SEC / 1e9)
    });
    let transcribed = serve(&archived.done, slots as usize, |arrival| arrival.length / TRANSCRIBER_SPEED);
    Simulated { archived, transcribed }
}

fn archive_cores(per_day: f64) -> usize {
    (Demand::of(per_day).per_sec * COSTS.archive_cpu_secs(mean_gb()) / UTILISATION).ceil() as usize
}

/// What slots do without any simulation.
fn print_slots() {
    let columns = [
        "slots",
        "recordings an hour",
        "the busiest hour is too much from, a day",
        "the backlog is never worked off from, a day",
    ];
    let mut table = Table::new("A transcriber's slots, by Little's law", &columns);
    for slots in SLOTS {
        let an_hour = f64::from(slots) / transcription_secs() * 3600.0;
        table.row([slots.to_string(), number(an_hour), number(an_hour / busy_share()), number(an_hour * 24.0)]);
    }
    table.print();
}

fn day_row(size: f64, slots: u32, served: &Served) -> [String; 8] {
    let said = |waits: f64, mean: f64, p99: f64| {
        format!("{} % · {} · {}", number(waits * 100.0), duration(mean), duration(p99))
    };
    let erlang = Erlang::new(slots, Demand::of(size).per_sec, transcription_secs());
    let busiest = busiest_hour();
    let long = served.waited_longer(LONG_SECS);
    [
        format!("{}, {slots}", about(size)),
        number(Demand::of(size).slots()),
        erlang.map_or("the backlog grows".to_owned(), |erlang| {
            said(erlang.waits(), erlang.mean_wait_secs(), erlang.wait_secs(0.99))
        }),
        said(served.waited(busiest.clone()), served.mean_wait_secs(busiest.clone()), served.wait_secs(busiest, 0.99)),
        format!("{} · {}", duration(served.wait_secs(WHOLE_DAY, 0.5)), duration(served.wait_secs(WHOLE_DAY, 0.99))),
        about(backlog_by_flow(size, slots)),
        about(served.longest_backlog as f64),
        long.map_or("none".to_owned(), |(from, until)| format!("{} to {}", clock(from), clock(until))),
    ]
}

fn busiest_hour() -> Range<f64> {
    let hour = (0..DAY.len()).max_by(|one, other| DAY[*one].total_cmp(&DAY[*other])).unwrap_or_default() as f64;
    hour..hour + 1.0
}

/// The backlog where everything flows evenly: each hour adds what arrives, and takes off what the slots do.
fn backlog_by_flow(per_day: f64, slots: u32) -> f64 {
    let done = f64::from(slots) / transcription_secs() * 3600.0;
    let hours = DAY.iter().scan(0.0, |backlog: &mut f64, percent| {
        *backlog = (*backlog + per_day * percent / 100.0 - done).max(0.0);
        Some(*backlog)
    });
    hours.fold(0.0, f64::max)
}

/// That cores planned at 60 % are enough, and the order of the two does not matter.
fn workers_row(size: f64, served: &Served) -> [String; 4] {
    let wait = duration(served.wait_secs(busiest_hour(), 0.99));
    [about(size), archive_cores(size).to_string(), wait, number(served.longest_backlog as f64)]
}
