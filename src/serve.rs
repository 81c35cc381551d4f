//! `callvault serve`: ingest, workers and the schedules in one process.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use catalog::{Catalog, Schedule};
use futures::future::BoxFuture;
use queue::{Clock, Queue, Stage};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use workers::{Dispatcher, ReconcileWindow, SweepMode};

use crate::config::Config;
use crate::schedule::{alone, every};
use crate::settings::masked;
use crate::{ingest_role, retention, telemetry, wiring};

pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let listener = ingest_role::listen(config).await?;
    serve(config, listener, until_told_to_stop()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves on `listener` until `shutdown`. Stops in order: no more callbacks and no more deliveries, work under way is
/// drained, the rest is handed back.
pub(crate) async fn serve(config: &Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    let queue = wiring::queue(config).await?;
    let catalog = wiring::catalog(config).await?;
    let dispatcher = dispatcher(config, &queue, &catalog, &Stage::ALL).await?;
    let outlet = wiring::outlet(config, &queue).await?;
    let ingest = ingest_role::service(config, outlet, &metrics, listener, shutdown.clone())?;
    tracing::info!(
        public_url = masked(config.public_base_url()?.as_str()),
        queue = masked(&config.queue_url),
        vault = masked(&config.recordings_bucket),
        "serving"
    );
    let watched = Some((catalog.clone(), config.policy, config.schedules.retention_every));
    let (_, _, _, served) = tokio::join!(
        dispatcher.run(&Stage::ALL, shutdown.clone()),
        schedules(config, &queue, &catalog, shutdown.clone()),
        telemetry::watch(metrics, Arc::clone(&queue), watched, shutdown.clone()),
        ingest,
    );
    tracing::info!("stopped");
    served.context("ingest")
}

/// The dispatcher of a worker, wired from the configuration.
pub(crate) async fn dispatcher(
    config: &Config,
    queue: &Arc<dyn Queue>,
    catalog: &Catalog,
    stages: &[Stage],
) -> anyhow::Result<Dispatcher> {
    Ok(Dispatcher {
        queue: Arc::clone(queue),
        catalog: catalog.clone(),
        clock: Clock::System,
        stages: wiring::stages(config, queue, catalog, stages).await?,
        concurrency: config.worker_concurrency,
        drain: config.worker_drain,
    })
}

/// Runs both sweeps at once and then on their periods, where no other process is at it. A sweep that fails is logged: the
/// next one is its retry.
async fn schedules(config: &Config, queue: &Arc<dyn Queue>, catalog: &Catalog, shutdown: CancellationToken) {
    let sweep = || -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async {
            let now = Clock::System.now();
            let sweep = async {
                let report =
                    workers::retention_sweep(catalog, queue.as_ref(), &config.policy, now, SweepMode::Regular).await?;
                tracing::info!(due = report.due, published = report.published, "retention sweep");
                let cleared = retention::clear(config, catalog, SweepMode::Regular).await?;
                let (removed, strays) = (cleared.unfinished_removed, cleared.strays);
                if removed > 0 || strays.strays_removed > 0 || strays.strays > 0 {
                    let (late, unknown) = (strays.strays_removed, strays.strays);
                    tracing::info!(removed, late, unknown, "unfinished and late objects removed, unknown ones left");
                }
                Ok(())
            };
            alone(catalog, Schedule::Retention, sweep).await.map(|_| ())
        })
    };
    let reconcile = || -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async {
            let now = Clock::System.now();
            let window = ReconcileWindow { since: None, until: None };
            let pass = async {
                let report = wiring::reconciler(config, queue, catalog, SweepMode::Regular)?.run(window, now).await?;
                let (listed, missing, stuck) = (report.listed, report.missing, report.stuck);
                tracing::info!(listed, missing, stuck, published = report.published, "reconcile pass");
                Ok(())
            };
            alone(catalog, Schedule::Reconcile, pass).await.map(|_| ())
        })
    };
    tokio::join!(
        every("retention", config.schedules.retention_every, &shutdown, sweep),
        every("reconcile", config.schedules.reconcile_every, &shutdown, reconcile),
    );
}

/// Cancelled by SIGINT or SIGTERM; a second one ends the process at once.
pub(crate) fn until_told_to_stop() -> CancellationToken {
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        signal().await;
        tracing::info!("told to stop: draining");
        told.cancel();
        signal().await;
        std::process::exit(130);
    });
    shutdown
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        }
        // Without signal handlers the system's default ends the process; nothing is lost by that.
        _ => std::future::pending().await,
    }
}
