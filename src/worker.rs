//! `callvault worker`: workers alone, with a small listener for their health and metrics.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use catalog::Catalog;
use ingest::{Limits, MetricsPage, Probes};
use queue::{Queue, Stage};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::WorkerOptions;
use crate::config::Config;
use crate::serve::{dispatcher, until_told_to_stop};
use crate::settings::{Origin, masked};
use crate::{telemetry, wiring};

pub(crate) async fn run(config: &Config, options: &WorkerOptions) -> anyhow::Result<ExitCode> {
    let listener = listen(config).await?;
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
    let probes = probes(&queue, &catalog, telemetry::page(&metrics));
    let watched = Some((catalog, config.policy, config.schedules.retention_every));
    let ((), (), probed) = tokio::join!(
        working,
        telemetry::watch(metrics, Arc::clone(&queue), watched, ended.clone()),
        answer(listener, probes, ended.clone()),
    );
    tracing::info!("stopped");
    probed.context("health and metrics")?;
    Ok(ExitCode::SUCCESS)
}

/// `None` where the port that nobody chose is taken, most likely by another worker: that is no reason not to work.
async fn listen(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let address = config.metrics_addr;
    match TcpListener::bind(address).await {
        Ok(listener) => {
            tracing::info!(address = %listener.local_addr()?, "health and metrics");
            Ok(Some(listener))
        }
        Err(error)
            if error.kind() == ErrorKind::AddrInUse
                && config.values.origin("metrics_addr") == Some(Origin::Default) =>
        {
            tracing::warn!("{address} is taken: no health and metrics of this worker; set METRICS_ADDR to another");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}: set METRICS_ADDR to another")),
    }
}

/// Ready while the queue and the catalog can be written: no stage does without them.
fn probes(queue: &Arc<dyn Queue>, catalog: &Catalog, page: MetricsPage) -> Probes {
    let catalog = catalog.clone();
    Probes::new(Arc::clone(queue), Some(page)).need("the catalog", move || {
        let catalog = catalog.clone();
        async move { catalog.check().await.map_err(|error| error.to_string()) }
    })
}

async fn answer(listener: Option<TcpListener>, probes: Probes, ended: CancellationToken) -> std::io::Result<()> {
    match listener {
        Some(listener) => ingest::serve(ingest::probes_router(probes), listener, Limits::default(), ended).await,
        None => Ok(()),
    }
}
