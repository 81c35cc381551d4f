//! `callvault retention`: one sweep.

use std::process::ExitCode;

use catalog::Schedule;
use queue::Clock;
use workers::RetentionReport;

use crate::cli::RetentionOptions;
use crate::config::Config;
use crate::output::Output;
use crate::schedule::{Swept, alone};
use crate::wiring;

pub(crate) async fn run(config: &Config, options: &RetentionOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let sweep =
        async { Ok(workers::retention_sweep(&catalog, queue.as_ref(), &config.policy, now, options.dry_run).await?) };
    let swept = if options.dry_run {
        Swept { report: sweep.await?, skipped: false }
    } else {
        alone(&catalog, Schedule::Retention, sweep).await?
    };
    output.document(&swept, |swept| swept.text(Schedule::Retention, text))?;
    Ok(ExitCode::SUCCESS)
}

fn text(report: &RetentionReport) -> String {
    format!("due {}, purge jobs queued {}", report.due, report.published)
}
