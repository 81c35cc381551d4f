//! `callvault retention`: one sweep.

use std::process::ExitCode;

use anyhow::Context;
use catalog::Schedule;
use queue::Clock;
use serde::Serialize;
use workers::RetentionReport;

use crate::cli::RetentionOptions;
use crate::config::Config;
use crate::output::Output;
use crate::schedule::{Swept, alone};
use crate::wiring;

/// What the sweep did.
#[derive(Default, Serialize)]
struct Report {
    #[serde(flatten)]
    retention: RetentionReport,
    /// Left by puts that were broken off; none in a dry run.
    unfinished_removed: usize,
}

pub(crate) async fn run(config: &Config, options: &RetentionOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let mut unfinished_removed = Ok(0);
    let sweep = async {
        let report = workers::retention_sweep(&catalog, queue.as_ref(), &config.policy, now, options.mode()).await?;
        if !options.dry_run {
            // A store that is away must not hide what was queued.
            unfinished_removed = unfinished(config).await;
        }
        Ok(Report { retention: report, unfinished_removed: *unfinished_removed.as_ref().unwrap_or(&0) })
    };
    let swept = if options.dry_run {
        Swept { report: sweep.await?, skipped: false }
    } else {
        alone(&catalog, Schedule::Retention, sweep).await?
    };
    output.document(&swept, |swept| swept.text(Schedule::Retention, text))?;
    unfinished_removed.map(|_| ExitCode::SUCCESS)
}

/// Removes what puts that were broken off left in the store.
pub(crate) async fn unfinished(config: &Config) -> anyhow::Result<usize> {
    let store = wiring::store(config).await?;
    workers::sweep_unfinished(store.as_ref()).await.context("unfinished objects not swept")
}

fn text(report: &Report) -> String {
    let RetentionReport { due, published } = report.retention;
    format!("due {due}, purge jobs queued {published}, unfinished objects removed {}", report.unfinished_removed)
}
