//! `callvault retention`: one sweep.

use std::process::ExitCode;

use anyhow::Context;
use catalog::{Catalog, Schedule};
use queue::Clock;
use serde::Serialize;
use workers::{RetentionReport, StrayReport, SweepMode};

use crate::cli::RetentionOptions;
use crate::config::Config;
use crate::output::Output;
use crate::schedule::{Swept, alone};
use crate::{store, wiring};

/// What the sweep did.
#[derive(Default, Serialize)]
struct Report {
    #[serde(flatten)]
    retention: RetentionReport,
    #[serde(flatten)]
    cleared: Cleared,
}

/// What was found in the store that belongs to nothing; nothing in a dry run.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Cleared {
    /// Left by puts that were broken off.
    pub(crate) unfinished_removed: usize,
    #[serde(flatten)]
    pub(crate) strays: StrayReport,
}

pub(crate) async fn run(config: &Config, options: &RetentionOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let mut cleared = Ok(Cleared::default());
    let sweep = async {
        let report = workers::retention_sweep(&catalog, queue.as_ref(), &config.policy, now, options.mode()).await?;
        if !options.dry_run {
            // A store that is away must not hide what was queued.
            cleared = clear(config, &catalog, options.mode()).await;
        }
        Ok(Report { retention: report, cleared: cleared.as_ref().copied().unwrap_or_default() })
    };
    let swept = if options.dry_run {
        Swept { report: sweep.await?, skipped: false }
    } else {
        alone(&catalog, Schedule::Retention, sweep).await?
    };
    output.document(&swept, |swept| swept.text(Schedule::Retention, text))?;
    cleared.map(|_| ExitCode::SUCCESS)
}

/// Removes from the store what puts that were broken off left, and, once a day, what was put there too late.
pub(crate) async fn clear(config: &Config, catalog: &Catalog, mode: SweepMode) -> anyhow::Result<Cleared> {
    let vault = wiring::store(config).await?;
    let unfinished_removed = workers::sweep_unfinished(vault.as_ref()).await.context("unfinished objects not swept")?;
    let is_forced = mode == SweepMode::Again;
    let strays = match workers::sweep_strays(catalog, vault.as_ref(), &Clock::System, is_forced).await {
        // A vault that was not begun yet has nothing to look through.
        Err(error) if !store::has_archived(catalog).await? => {
            tracing::info!(%error, "the vault was not looked through: nothing was archived yet");
            StrayReport::default()
        }
        swept => swept.context("the vault's objects not swept")?,
    };
    Ok(Cleared { unfinished_removed, strays })
}

fn text(report: &Report) -> String {
    let RetentionReport { due, published } = report.retention;
    let Cleared { unfinished_removed, strays: StrayReport { strays_removed, strays } } = report.cleared;
    format!(
        "due {due}, purge jobs queued {published}, unfinished objects removed {unfinished_removed}, strays removed \
         {strays_removed}, objects of unknown recordings {strays}"
    )
}
