//! Ingest: signature checked, quorum queue, confirmed before the answer.

use std::time::Duration;

use simulator::CallPlan;

use crate::bench::Bench;
use crate::measure::load::{Answers, Load, Pace, Requests, Sender};
use crate::measure::spread::percentile_ms;
use crate::side::{Program, Role, Side};
use crate::table::{Goal, Row, Runs, Section, Target};

/// Callbacks made ahead, taken in turn: each is a message of its own to the queue.
const CALLBACKS: u64 = 5_000;
const CONNECTIONS: [usize; 2] = [32, 128];
const RATE: u32 = 1_000;
const RATE_CONNECTIONS: usize = 64;
const WARM_UP: Load = Load { pace: Pace::AsAnswered, connections: 32, lasts: Duration::from_secs(2) };

/// What one load came to.
struct Carried {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_per_ten_thousand: f64,
    broker_cpu_per_ten_thousand: f64,
}

pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let lasts = bench.options.lasts();
    let full = CONNECTIONS.map(|connections| Load { pace: Pace::AsAnswered, connections, lasts });
    let planned = Load { pace: Pace::PerSecond(RATE), connections: RATE_CONNECTIONS, lasts };
    let loads = [full[0], full[1], planned];
    let (mut runs, mut peaks) = ([(); 3].map(|()| Runs::default()), Runs::default());
    for side in bench.alternating() {
        let (carried, peak) = run(bench, side, &loads).await?;
        runs.iter_mut().zip(carried).for_each(|(runs, carried)| runs.push(side, carried));
        peaks.push(side, peak);
    }
    let secs = lasts.as_secs();
    for (connections, runs) in CONNECTIONS.into_iter().zip(&runs) {
        let title = format!("Ingest: all that {connections} connections carry in {secs} s");
        bench.tell(Section { title, rows: full_rows(runs) });
    }
    let mut rows = planned_rows(&runs[2]);
    rows.push(Row::new("most resident memory in all of it, MiB", Goal::Less, 1).of(&peaks, |peak| *peak));
    bench.tell(Section { title: format!("Ingest: {RATE} callbacks a second for {secs} s"), rows });
    Ok(())
}

fn full_rows(runs: &Runs<Carried>) -> Vec<Row> {
    vec![
        Row::new("callbacks a second", Goal::More, 0).target(Target::OfBaseline(3.0)).of(runs, |run| run.per_second),
        cpu(runs),
        broker_cpu(runs),
        Row::new("p50, ms", Goal::Less, 1).of(runs, |run| run.p50_ms),
        Row::new("p99, ms", Goal::Less, 1).of(runs, |run| run.p99_ms),
    ]
}

fn planned_rows(runs: &Runs<Carried>) -> Vec<Row> {
    vec![
        Row::new("p99, ms", Goal::Less, 1).target(Target::ItselfAndOfBaseline(20.0, 0.5)).of(runs, |run| run.p99_ms),
        Row::new("p50, ms", Goal::Less, 1).of(runs, |run| run.p50_ms),
        cpu(runs),
    ]
}

fn cpu(runs: &Runs<Carried>) -> Row {
    let row = Row::new("CPU seconds for 10,000", Goal::Less, 2).target(Target::OfBaseline(1.0 / 6.0));
    row.of(runs, |run| run.cpu_per_ten_thousand)
}

fn broker_cpu(runs: &Runs<Carried>) -> Row {
    Row::new("RabbitMQ's CPU seconds for 10,000", Goal::Less, 2).aside().of(runs, |run| run.broker_cpu_per_ten_thousand)
}

/// One after the other by a program that was just started; and the most memory it had.
async fn run(bench: &mut Bench, side: Side, loads: &[Load]) -> anyhow::Result<(Vec<Carried>, f64)> {
    let mut ingest = bench.programs.start(&bench.engines, side, Role::Ingest).await?;
    let (callbacks, first) = (bench.engines.callbacks(), bench.indices(CALLBACKS));
    let requests =
        (first..first + CALLBACKS).map(|index| callbacks.request_of(CallPlan::nth(index, callbacks.started_at)));
    let sender = Sender::new(Requests::Prepared(requests.collect()), ingest.address);
    sender.run(WARM_UP).await?;
    let mut carried = Vec::new();
    for load in loads {
        let (before, broker) = (ingest.cpu_secs()?, bench.engines.cpu()?.rabbitmq_and_postgres);
        let answers = sender.run(*load).await?;
        let (cpu, broker) = (ingest.cpu_secs()? - before, bench.engines.cpu()?.rabbitmq_and_postgres - broker);
        carried.push(Carried::of(&answers, cpu, broker));
        // A long queue costs the broker more: each load begins with an empty one.
        ensure_queued(bench, side, &mut ingest, &sender).await?;
    }
    Ok((carried, ingest.resident_mib()?.peak))
}

/// What was answered has to be in the queue; then it is emptied.
async fn ensure_queued(bench: &mut Bench, side: Side, ingest: &mut Program, sender: &Sender) -> anyhow::Result<()> {
    ingest.check_alive()?;
    bench.engines.until_queued(side, sender.take_sent()).await?;
    bench.engines.rabbitmq.wipe(side.name()).await
}

impl Carried {
    fn of(answers: &Answers, cpu_secs: f64, broker_cpu_secs: f64) -> Carried {
        let of_ten_thousand = |secs: f64| secs * 10_000.0 / answers.latencies.len() as f64;
        Carried {
            per_second: answers.per_second,
            p50_ms: percentile_ms(&answers.latencies, 0.5),
            p99_ms: percentile_ms(&answers.latencies, 0.99),
            cpu_per_ten_thousand: of_ten_thousand(cpu_secs),
            broker_cpu_per_ten_thousand: of_ten_thousand(broker_cpu_secs),
        }
    }
}
