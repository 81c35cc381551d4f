//! `callvault worker`: workers alone.

use std::process::ExitCode;
use std::sync::Arc;

use queue::Stage;

use crate::cli::WorkerOptions;
use crate::config::Config;
use crate::serve::{dispatcher, sweep_store, until_told_to_stop};
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
    let store = Arc::clone(dispatcher.stages.archive.vault.store());
    let watched = Some((catalog, config.policy, config.schedules.retention_every));
    let sweeps = async {
        // Workers that store nothing need no right to look.
        if stages.contains(&Stage::Archive) {
            sweep_store(&store, &shutdown).await;
        }
    };
    tokio::join!(
        dispatcher.run(&stages, shutdown.clone()),
        sweeps,
        telemetry::watch(metrics, Arc::clone(&queue), watched, shutdown.clone()),
    );
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
