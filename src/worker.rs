//! `callvault worker`: workers alone.

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::WorkerOptions;
use crate::config::Config;
use crate::serve::{dispatcher, sweep_unfinished, until_told_to_stop};
use crate::{telemetry, wiring};

pub(crate) async fn run(config: &Config, options: &WorkerOptions) -> anyhow::Result<ExitCode> {
    let shutdown = until_told_to_stop();
    let metrics = telemetry::start_metrics()?;
    let queue = wiring::queue(config).await?;
    let catalog = wiring::catalog(config).await?;
    let dispatcher = dispatcher(config, &queue, &catalog).await?;
    let mut stages = options.stages.clone();
    stages.sort_unstable();
    stages.dedup();
    tracing::info!(stages = ?stages, queue = config.queue_url, "working");
    let watched = Some((catalog, config.policy, config.schedules.retention_every));
    let vault = dispatcher.stages.archive.vault.clone();
    tokio::join!(
        dispatcher.run(&stages, shutdown.clone()),
        sweep_unfinished(&vault, &shutdown),
        telemetry::watch(metrics, Arc::clone(&queue), watched, shutdown.clone()),
    );
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
