//! `callvault probe`: whether a role says that it is ready.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cli::ProbeOptions;

/// Shorter than a health check's own limit, so that the answer is ours.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &ProbeOptions) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client.get(options.url.clone()).send().await.context("no answer")?;
    let status = answer.status();
    ensure!(status.is_success(), "not ready ({status}): {}", answer.text().await.unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
