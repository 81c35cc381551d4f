//! How many callbacks are confirmed a second, and how long Twilio waits for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use crate::fleet::Fleet;
use crate::measure::load::{Answers, Load, Pace, Requests, Sender};
use crate::measure::spread::{Spread, percentile_ms};
use crate::report::Report;

const RUNS: usize = 5;
const RATE: u32 = 2000;
const P99_MS: f64 = 50.0;
/// More than are in flight at that rate and bound: 2,000 a second x 50 ms = 100.
const PLANNED: Load = Load { pace: Pace::PerSecond(RATE), connections: 256, lasts: Duration::from_secs(10) };
const WARM_UP: Load = Load { pace: Pace::AsAnswered, connections: 32, lasts: Duration::from_secs(1) };

/// The callback service alone: on a timetable, then as many as go. All it answered has to be in the queue.
pub(crate) async fn measure(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet::start(folder, "ingest", &[]).await?;
    let sender = Sender::new(Requests::Fresh(fleet.callbacks()), fleet.address);
    sender.run(WARM_UP).await?;

    report.section(&format!("callvault ingest: {RATE} callbacks a second for 10 s, {RUNS} runs: median (range)"));
    Runs::of(&fleet, &sender, PLANNED).await?.report_planned(report);
    for connections in [32, 128] {
        report.section(&format!("callvault ingest: all that {connections} connections carry, 2 s, {RUNS} runs"));
        let load = Load { pace: Pace::AsAnswered, connections, lasts: Duration::from_secs(2) };
        Runs::of(&fleet, &sender, load).await?.report_unplanned(report);
    }
    report.note("most resident memory in all of it, MiB", &format!("{:.1}", fleet.resident_mib()?.peak));
    let (answered, depth) = (sender.sent(), fleet.json(&["queue", "status"]).await?);
    ensure!(depth[0]["ready"] == answered, "{answered} callbacks were answered, and the queue holds {}", depth[0]);
    report.note("answered, and found in the queue", &answered.to_string());
    Ok(())
}

/// The same while the workers of the same process archive and transcribe what came, at the default limits.
pub(crate) async fn measure_in_serve(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet::start(folder, "serve", &[]).await?;
    let sender = Sender::new(Requests::Fresh(fleet.callbacks()), fleet.address);
    sender.run(WARM_UP).await?;
    report.section(&format!("callvault serve, at work: {RATE} callbacks a second for 10 s, {RUNS} runs"));
    Runs::of(&fleet, &sender, PLANNED).await?.report_planned(report);
    report.note("recordings fetched meanwhile", &fleet.twilio.counters().requests_to("media").to_string());
    report.note("most resident memory, MiB", &format!("{:.1}", fleet.resident_mib()?.peak));
    Ok(())
}

/// Several runs of one load.
struct Runs {
    answers: Vec<Answers>,
    cores: Spread,
}

impl Runs {
    async fn of(fleet: &Fleet, sender: &Arc<Sender>, load: Load) -> anyhow::Result<Runs> {
        let (mut answers, mut cores) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let before = fleet.cpu_secs()?;
            answers.push(sender.run(load).await?);
            cores.push((fleet.cpu_secs()? - before) / load.lasts.as_secs_f64());
        }
        Ok(Runs { answers, cores: Spread::of(cores) })
    }

    fn report_planned(&self, report: &mut Report) {
        let (rate, p99) = (self.per_second(), self.percentile(0.99));
        // The last answer comes a little after the last second.
        let is_kept_up = rate.median > f64::from(RATE) * 0.99;
        report.target("answered a second", "2000", &format!("{rate:.0}"), is_kept_up);
        report.target("p99, ms", "< 50", &p99.to_string(), p99.median < P99_MS);
        report.note("p50, ms", &self.percentile(0.5).to_string());
        report.note("p99.9, ms", &self.percentile(0.999).to_string());
        report.note("cores in use by callvault", &format!("{:.2}", self.cores));
    }

    fn report_unplanned(&self, report: &mut Report) {
        report.note("answered a second", &format!("{:.0}", self.per_second()));
        report.note("p50, ms", &self.percentile(0.5).to_string());
        report.note("p99, ms", &self.percentile(0.99).to_string());
        report.note("cores in use by callvault", &format!("{:.2}", self.cores));
    }

    fn per_second(&self) -> Spread {
        Spread::of(self.answers.iter().map(|answers| answers.per_second))
    }

    fn percentile(&self, share: f64) -> Spread {
        Spread::of(self.answers.iter().map(|answers| percentile_ms(&answers.latencies, share)))
    }
}
