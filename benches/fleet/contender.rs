//! Who archives: a side's ingest and worker, or the bare copy.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::archive::Batch;
use crate::bare::BareCopy;
use crate::bench::Bench;
use crate::measure::load::{Load, Pace, Requests, Sender};
use crate::measure::usage;
use crate::side::{Program, Role, Side};

/// How many callbacks come at once.
const CONNECTIONS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Side(Side),
    Bare,
}

/// Ready to archive. Dropped, its processes are ended.
pub(crate) enum Contender {
    Side { ingest: Program, worker: Program },
    Bare(BareCopy),
}

impl Contender {
    pub(crate) async fn start(bench: &Bench, who: Who, concurrency: u64) -> anyhow::Result<Contender> {
        let Who::Side(side) = who else {
            return Ok(Contender::Bare(BareCopy::start(&bench.engines.folder, concurrency)?));
        };
        let ingest = bench.programs.start(&bench.engines, side, Role::Ingest).await?;
        let worker = bench.programs.start(&bench.engines, side, Role::Worker { concurrency }).await?;
        Ok(Contender::Side { ingest, worker })
    }

    /// Hands over the recordings, and does not wait for them.
    pub(crate) async fn take(&mut self, batch: &Batch) -> anyhow::Result<()> {
        match self {
            Contender::Side { ingest, .. } => {
                let pace = Pace::Counted(batch.requests.len() as u64);
                let load = Load { pace, connections: CONNECTIONS.min(batch.requests.len()), lasts: PATIENCE };
                let sender = Sender::new(Requests::Prepared(batch.requests.clone()), ingest.address);
                sender.run(load).await.map(drop)
            }
            Contender::Bare(copy) => copy.copy(&batch.copies.concat()),
        }
    }

    /// Of what archives: the worker.
    pub(crate) fn cpu_secs(&mut self) -> anyhow::Result<f64> {
        match self {
            Contender::Side { worker, .. } => worker.cpu_secs(),
            Contender::Bare(copy) => usage::cpu_secs(copy.process.child().id()),
        }
    }

    /// The most since it was started.
    pub(crate) fn peak_mib(&mut self) -> anyhow::Result<f64> {
        match self {
            Contender::Side { worker, .. } => worker.resident_mib(),
            Contender::Bare(copy) => usage::resident_mib(copy.process.child().id()),
        }
        .map(|resident| resident.peak)
    }

    /// Fails where a process has ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self {
            Contender::Side { ingest, worker } => {
                ingest.check_alive().context("ingest")?;
                worker.check_alive().context("worker")
            }
            Contender::Bare(copy) => {
                let ended = copy.process.ended();
                ensure!(ended.is_none(), "the bare copy ended: {ended:?}");
                Ok(())
            }
        }
    }
}
