//! `callvault worker`: workers alone, with a small listener for their health and metrics.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use queue::Stage;
use tokio_util::sync::CancellationToken;

use crate::cli::WorkerOptions;
use crate::config::Config;
use crate::serve::{dispatcher, until_told_to_stop};
use crate::settings::masked;
use crate::{health, telemetry, wiring};

pub(crate) async fn run(config: &Config, options: &WorkerOptions) -> anyhow::Result<ExitCode> {
    let listener = health::listen(config).await?;
    let shutdown = until_told_to_stop();
    let metrics = telemetry::start_metrics()?;
    let queue = wiring::queue(config).await?;
    let catalog = wiring::catalog(config).await?;
    let mut stages = options.stages.clone();
    stages.sort_unstable();
    stages.dedup();
    let dispatcher = dispatcher(config, &queue, &catalog, &stages).await?;
    if stages.contains(&Stage::Transcribe) && !config.transcribes() {
        tracing::info!("TRANSCRIPTION_PROVIDER is none: what waits for transcription is left to others");
    }
    tracing::info!(stages = ?stages, queue = masked(&config.queue_url), "working");
    // Also asked while work under way is drained.
    let ended = CancellationToken::new();
    let working = async {
        dispatcher.run(&stages, shutdown).await;
        ended.cancel();
    };
    let probes = health::probes(&queue, &catalog, telemetry::page(&metrics));
    let watched = Some((catalog, config.policy, config.schedules.retention_every));
    let ((), (), probed) = tokio::join!(
        working,
        telemetry::watch(metrics, Arc::clone(&queue), watched, ended.clone()),
        health::answer(listener, probes, ended.clone()),
    );
    tracing::info!("stopped");
    probed.context("health and metrics")?;
    Ok(ExitCode::SUCCESS)
}
