//! `callvault ingest`: the callback service alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ingest::Outlet;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::serve::until_told_to_stop;
use crate::{telemetry, wiring};

/// Twilio gives a callback 15 seconds, retries included, and each try the 4 seconds of the recommended `rt=4000`: the
/// 503 has to come before those are over.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let listener = listen(config).await?;
    let shutdown = until_told_to_stop();
    let metrics = telemetry::start_metrics()?;
    let queue = wiring::queue(config).await?;
    let outlet = wiring::outlet(config, &queue).await?;
    let service = service(config, outlet, &metrics, listener, shutdown.clone())?;
    let ((), served) = tokio::join!(telemetry::watch(metrics, Arc::clone(&queue), None, shutdown), service);
    served.context("ingest")?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.listen_addr;
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}: set LISTEN_ADDR to another"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// The callback service on `listener`, to be awaited; fails at once where a setting it needs is missing.
pub(crate) fn service(
    config: &Config,
    outlet: Outlet,
    metrics: &PrometheusHandle,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = std::io::Result<()>> + use<>> {
    let ingest = ingest::IngestConfig {
        public_base_url: config.public_base_url()?.clone(),
        signing_keys: wiring::signing_keys(config.twilio()?)?,
        publish_timeout: PUBLISH_TIMEOUT,
    };
    let page = telemetry::page(metrics);
    Ok(ingest::run(ingest, outlet, Clock::System, Some(page), listener, shutdown))
}
