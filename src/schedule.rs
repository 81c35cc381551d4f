//! Of several processes that would run the same sweep, one does: replicas of `serve`, CronJobs, an operator.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use catalog::{Catalog, Schedule};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::serve::until_told_to_stop;
use crate::{health, telemetry, wiring};

/// A sweep's report, or that there is none.
#[derive(Debug, Serialize)]
pub(crate) struct Swept<R> {
    #[serde(flatten)]
    pub(crate) report: R,
    /// Another process was at it: nothing was done here.
    pub(crate) skipped: bool,
}

impl<R> Swept<R> {
    pub(crate) fn text(&self, schedule: Schedule, text: impl FnOnce(&R) -> String) -> String {
        if self.skipped {
            format!("another process runs {schedule} now: nothing done here")
        } else {
            text(&self.report)
        }
    }
}

/// Runs `sweep` where no other process is at `schedule`.
pub(crate) async fn alone<R: Default>(
    catalog: &Catalog,
    schedule: Schedule,
    sweep: impl Future<Output = anyhow::Result<R>>,
) -> anyhow::Result<Swept<R>> {
    let Some(lock) = catalog.lock_schedule(schedule).await? else {
        tracing::info!(sweep = %schedule, "another process is at it: skipped");
        return Ok(Swept { report: R::default(), skipped: true });
    };
    let report = sweep.await;
    if let Err(error) = lock.release().await {
        tracing::warn!(sweep = %schedule, %error, "the lock was lost: another process may have swept at the same time");
    }
    Ok(Swept { report: report?, skipped: false })
}

/// Runs `sweep` once; or each `period` until told to stop, where one that fails is logged and the next is its retry, and
/// health and metrics are shown as a worker's are.
pub(crate) async fn repeat<F>(
    name: &str,
    config: &Config,
    period: Option<Duration>,
    sweep: impl Fn() -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let Some(period) = period else { return sweep().await };
    let listener = health::listen(config).await?;
    let shutdown = until_told_to_stop();
    let metrics = telemetry::start_metrics()?;
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let probes = health::probes(&queue, &catalog, telemetry::page(&metrics));
    let watched = Some((catalog, config.policy, config.schedules.retention_every));
    let ((), (), probed) = tokio::join!(
        every(name, period, &shutdown, sweep),
        telemetry::watch(metrics, queue, watched, shutdown.clone()),
        health::answer(listener, probes, shutdown.clone()),
    );
    probed.context("health and metrics")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `sweep` now and then each `period` until `shutdown`, which also breaks off a sweep under way: it is safe to. One
/// that fails is logged: the next one is its retry.
pub(crate) async fn every<T, F>(name: &str, period: Duration, shutdown: &CancellationToken, sweep: impl Fn() -> F)
where
    F: Future<Output = anyhow::Result<T>>,
{
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            swept = sweep() => if let Err(error) = swept {
                tracing::error!(sweep = name, error = %format!("{error:#}"), "sweep failed: the next one tries again");
            },
        }
        if tokio::time::timeout(period, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}
