//! `callvault retention`: one sweep.

use std::process::ExitCode;

use anyhow::Context;
use queue::Clock;
use serde::Serialize;
use workers::RetentionReport;

use crate::cli::RetentionOptions;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

/// What the sweep did.
#[derive(Serialize)]
struct Swept {
    #[serde(flatten)]
    retention: RetentionReport,
    /// Left by puts that were broken off; none in a dry run.
    unfinished_removed: usize,
}

pub(crate) async fn run(config: &Config, options: &RetentionOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let retention = workers::retention_sweep(&catalog, queue.as_ref(), &config.policy, now, options.dry_run).await?;
    // A store that is away must not hide what was queued.
    let unfinished = if options.dry_run { Ok(0) } else { unfinished(config).await };
    let unfinished_removed = *unfinished.as_ref().unwrap_or(&0);
    output.document(&Swept { retention, unfinished_removed }, text)?;
    unfinished.map(|_| ExitCode::SUCCESS)
}

/// Removes what puts that were broken off left in the store.
pub(crate) async fn unfinished(config: &Config) -> anyhow::Result<usize> {
    let store = wiring::store(config).await?;
    workers::sweep_unfinished(store.as_ref()).await.context("unfinished objects not swept")
}

fn text(swept: &Swept) -> String {
    let RetentionReport { due, published } = swept.retention;
    format!("due {due}, purge jobs queued {published}, unfinished objects removed {}", swept.unfinished_removed)
}
