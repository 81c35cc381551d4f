//! How long one recording takes when nothing else goes on: from its callback to its object.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::archive::{Batch, batch};
use crate::bench::Bench;
use crate::contender::{Contender, Who};
use crate::measure::spread::percentile_ms;
use crate::table::{Goal, Row, Runs, Section, Target};

const RECORDINGS: u64 = 100;
const BYTES: u64 = 1_000_000;
/// Not counted.
const WARM_UP: u64 = 10;
/// As workers have it by default.
const CONCURRENCY: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(10);
/// Until what follows an object is done.
const REST: Duration = Duration::from_millis(30);

/// Sorted, of one run.
struct Latencies(Vec<Duration>);

/// The bare copy's is what Twilio and S3 take themselves.
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let recordings = bench.options.count(RECORDINGS);
    let mut runs = Runs::default();
    for sides in bench.alternating().chunks(2) {
        let batches: Vec<Batch> = (0..WARM_UP + recordings).map(|_| batch(bench, 1, BYTES)).collect();
        for side in sides {
            runs.push(*side, run(bench, Who::Side(*side), &batches).await?);
        }
        runs.bare.push(run(bench, Who::Bare, &batches).await?);
    }
    let row = |what, share, most| {
        let row = Row::new(what, Goal::Less, 1).target(Target::AboveBare(most));
        row.of(&runs, |run: &Latencies| percentile_ms(&run.0, share))
    };
    let rows = vec![row("p50, ms", 0.5, 50.0), row("p99, ms", 0.99, 150.0)];
    let title = format!("Latency: callback to object, {recordings} recordings of 1 MB, one after the other");
    bench.tell(Section { title, rows });
    Ok(())
}

async fn run(bench: &mut Bench, who: Who, batches: &[Batch]) -> anyhow::Result<Latencies> {
    let mut contender = Contender::start(bench, who, CONCURRENCY).await?;
    let mut latencies = Vec::new();
    for batch in batches {
        let began = Instant::now();
        contender.take(batch).await?;
        latencies.push(until_stored(bench).await? - began);
        contender.check_alive()?;
        tokio::time::sleep(REST).await;
    }
    drop(contender);
    bench.engines.forget().await?;
    let mut latencies = latencies.split_off(WARM_UP as usize);
    latencies.sort_unstable();
    Ok(Latencies(latencies))
}

async fn until_stored(bench: &mut Bench) -> anyhow::Result<Instant> {
    let began = Instant::now();
    loop {
        ensure!(began.elapsed() < PATIENCE, "a recording is not stored after {PATIENCE:?}");
        let stored = bench.engines.s3.stored(PATIENCE).await.context("nothing is stored")?;
        if stored.path.contains("/recordings/") {
            return Ok(stored.at);
        }
    }
}
