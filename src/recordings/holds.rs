//! `callvault recordings hold`, `release` and `erase`.

use std::time::Duration;

use anyhow::Context;
use catalog::{Catalog, RecordingView};
use queue::{Clock, Job};

use super::find;
use crate::actor::actor;
use crate::cli::WithReason;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

pub(super) async fn hold(config: &Config, catalog: &Catalog, with: &WithReason, output: Output) -> anyhow::Result<()> {
    find(catalog, &with.recording).await?;
    catalog.place_hold(&with.recording, &with.reason, &actor(), Clock::System.now()).await?;
    answer(config, catalog, with, output, "held: nothing of it is deleted until the hold is released").await
}

pub(super) async fn release(
    config: &Config,
    catalog: &Catalog,
    with: &WithReason,
    output: Output,
) -> anyhow::Result<()> {
    find(catalog, &with.recording).await?;
    catalog.release_hold(&with.recording, &with.reason, &actor(), Clock::System.now()).await?;
    answer(config, catalog, with, output, "released: it follows its retention date again").await
}

/// Written down first: a lost job, or a hold that is released later, brings the sweep to it.
pub(super) async fn erase(config: &Config, catalog: &Catalog, with: &WithReason, output: Output) -> anyhow::Result<()> {
    find(catalog, &with.recording).await?;
    let queue = wiring::queue(config).await?;
    catalog.request_erasure(&with.recording, &with.reason, &actor(), Clock::System.now()).await?;
    let row = find(catalog, &with.recording).await?;
    if row.is_held {
        return answer(config, catalog, with, output, "under a legal hold: erased as soon as that is released").await;
    }
    let job = Job::PurgeV1 { account_sid: row.account_sid, recording_sid: row.recording_sid };
    queue
        .publish(&job, Duration::ZERO)
        .await
        .context("written down, not queued: the next retention sweep queues it")?;
    answer(config, catalog, with, output, "queued for deletion everywhere").await
}

async fn answer(
    config: &Config,
    catalog: &Catalog,
    with: &WithReason,
    output: Output,
    text: &str,
) -> anyhow::Result<()> {
    let row = find(catalog, &with.recording).await?;
    let transcript = catalog.latest_transcript(&with.recording).await?;
    let view = RecordingView::new(&row, transcript.as_ref(), &config.policy);
    output.document(&view, |_| format!("{}: {text}", with.recording))
}
