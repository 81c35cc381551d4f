//! `callvault retention`: one sweep.

use std::process::ExitCode;

use queue::Clock;

use crate::cli::RetentionOptions;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

pub(crate) async fn run(config: &Config, options: &RetentionOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let report = workers::retention_sweep(&catalog, queue.as_ref(), &config.policy, now, options.dry_run).await?;
    output.document(&report, |report| format!("due {}, purge jobs queued {}", report.due, report.published))?;
    Ok(ExitCode::SUCCESS)
}
