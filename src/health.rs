//! The small listener that shows health and metrics of a role that takes no callbacks.

use std::io::ErrorKind;
use std::sync::Arc;

use anyhow::Context;
use catalog::Catalog;
use ingest::{Limits, MetricsPage, Probes};
use queue::Queue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::settings::Origin;

/// `None` where the port that nobody chose is taken, most likely by another role: that is no reason not to work.
pub(crate) async fn listen(config: &Config) -> anyhow::Result<Option<TcpListener>> {
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
            tracing::warn!("{address} is taken: no health and metrics of this process; set METRICS_ADDR to another");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}: set METRICS_ADDR to another")),
    }
}

/// Ready while the queue and the catalog can be written: no role but ingest does without them.
pub(crate) fn probes(queue: &Arc<dyn Queue>, catalog: &Catalog, page: MetricsPage) -> Probes {
    let catalog = catalog.clone();
    Probes::new(Arc::clone(queue), Some(page)).need("the catalog", move || {
        let catalog = catalog.clone();
        async move { catalog.check().await.map_err(|error| error.to_string()) }
    })
}

pub(crate) async fn answer(
    listener: Option<TcpListener>,
    probes: Probes,
    ended: CancellationToken,
) -> std::io::Result<()> {
    match listener {
        Some(listener) => ingest::serve(ingest::probes_router(probes), listener, Limits::default(), ended).await,
        None => Ok(()),
    }
}
