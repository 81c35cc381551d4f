//! How soon a program is ready, and what memory it takes when there is nothing to do.

use std::time::Duration;

use crate::bench::Bench;
use crate::side::{Role, Side};
use crate::table::{Goal, Row, Runs, Section, Target};

const IDLE: Duration = Duration::from_secs(5);
/// As workers have it by default.
const CONCURRENCY: u64 = 16;

struct Started {
    ready_ms: f64,
    idle_mib: f64,
}

pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut ingests, mut workers) = (Runs::default(), Runs::default());
    for side in bench.alternating() {
        ingests.push(side, started(bench, side, Role::Ingest).await?);
        workers.push(side, started(bench, side, Role::Worker { concurrency: CONCURRENCY }).await?);
    }
    let ready = |what, runs: &Runs<Started>| {
        Row::new(what, Goal::Less, 0).target(Target::Itself(150.0)).of(runs, |started| started.ready_ms)
    };
    let idle = |what, runs: &Runs<Started>, most| {
        Row::new(what, Goal::Less, 1).target(Target::Itself(most)).of(runs, |started| started.idle_mib)
    };
    let rows = vec![
        ready("ingest: ready after, ms", &ingests),
        ready("worker: ready after, ms", &workers),
        idle("ingest: resident memory, MiB", &ingests, 15.0),
        idle("worker: resident memory, MiB", &workers, 25.0),
    ];
    bench.tell(Section { title: format!("Start, and memory after {} s without work", IDLE.as_secs()), rows });
    Ok(())
}

async fn started(bench: &Bench, side: Side, role: Role) -> anyhow::Result<Started> {
    let mut program = bench.programs.start(&bench.engines, side, role).await?;
    tokio::time::sleep(IDLE).await;
    program.check_alive()?;
    Ok(Started { ready_ms: program.started_in.as_secs_f64() * 1000.0, idle_mib: program.resident_mib()?.now })
}
