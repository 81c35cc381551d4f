//! `callvault migrate`: the catalog's schema.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::config::Config;
use crate::output::Output;
use crate::wiring;

pub(crate) async fn run(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let catalog = wiring::unmigrated_catalog(config).await?;
    let applied = catalog.migrate().await.context("DATABASE_URL")?;
    output.document(&json!({ "applied": applied }), |_| match applied {
        0 => "the schema is up to date".to_owned(),
        applied => format!("{applied} migrations applied"),
    })?;
    Ok(ExitCode::SUCCESS)
}
