//! How many callbacks the service confirms, and how long Twilio waits for it.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use crate::load::{self, Answers, Load, Pace};
use crate::process::Fleet;
use crate::report::Report;
use crate::spread::{Spread, percentile_ms};

const RUNS: usize = 5;
const RATE: u32 = 2000;
const P99_MS: f64 = 50.0;
/// More than are ever in flight at that rate and bound (2,000/s x 50 ms = 100).
const CONNECTIONS: usize = 256;

/// Callbacks on a timetable, then as many as go.
pub(crate) async fn measure(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet::start(folder, "ingest", &[]).await?;
    let mut sent = 0;
    let warm_up = Load { pace: Pace::AsAnswered, connections: 32, lasts: Duration::from_secs(1) };
    load::send(warm_up, fleet.address, &mut sent).await?;

    let load = Load { pace: Pace::PerSecond(RATE), connections: CONNECTIONS, lasts: Duration::from_secs(10) };
    report.section(&format!("`callvault ingest`, {RATE} callbacks a second for 10 s, {RUNS} runs: median (range)"));
    let runs = Runs::of(&fleet, load, &mut sent).await?;
    let rate = runs.per_second();
    report.target("answered a second", ">= 2000", &format!("{rate:.0}"), rate.median >= f64::from(RATE) * 0.995);
    let p99 = runs.percentile(0.99);
    report.target("p99, ms", "< 50", &p99.to_string(), p99.most < P99_MS);
    runs.note(report, &[("p50, ms", 0.5), ("p99.9, ms", 0.999), ("slowest, ms", 1.0)]);

    for connections in [32, 128] {
        let load = Load { pace: Pace::AsAnswered, connections, lasts: Duration::from_secs(5) };
        report.section(&format!("as many as go on {connections} connections, 5 s, {RUNS} runs: median (range)"));
        let runs = Runs::of(&fleet, load, &mut sent).await?;
        report.note("answered a second", &format!("{:.0}", runs.per_second()));
        runs.note(report, &[("p50, ms", 0.5), ("p99, ms", 0.99)]);
    }
    report.note("most resident memory in all of it, MiB", &format!("{:.1}", fleet.resident_mib()?.peak));
    let depth = fleet.json(&["queue", "status"]).await?;
    ensure!(depth[0]["ready"] == sent, "{sent} callbacks were answered, the queue holds {}", depth[0]);
    report.note("answered, and found in the queue", &sent.to_string());
    Ok(())
}

/// Several runs of one load.
struct Runs {
    answers: Vec<Answers>,
    /// Processor seconds of callvault, for each second.
    cpu: Vec<f64>,
}

impl Runs {
    async fn of(fleet: &Fleet, load: Load, sent: &mut u64) -> anyhow::Result<Runs> {
        let mut runs = Runs { answers: Vec::new(), cpu: Vec::new() };
        for _ in 0..RUNS {
            let before = fleet.cpu_secs()?;
            runs.answers.push(load::send(load, fleet.address, sent).await?);
            runs.cpu.push((fleet.cpu_secs()? - before) / load.lasts.as_secs_f64());
        }
        Ok(runs)
    }

    fn per_second(&self) -> Spread {
        Spread::of(self.answers.iter().map(|answers| answers.per_second))
    }

    fn percentile(&self, share: f64) -> Spread {
        Spread::of(self.answers.iter().map(|answers| percentile_ms(&answers.latencies, share)))
    }

    fn note(&self, report: &mut Report, percentiles: &[(&str, f64)]) {
        for (what, share) in percentiles {
            report.note(what, &self.percentile(*share).to_string());
        }
        report.note("cores in use by callvault", &format!("{:.2}", Spread::of(self.cpu.iter().copied())));
    }
}
