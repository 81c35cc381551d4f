//! `callvault migrate`: the catalog's schema, and the queues.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::cli::MigrateOptions;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

pub(crate) async fn run(config: &Config, options: &MigrateOptions, output: Output) -> anyhow::Result<ExitCode> {
    let catalog = wiring::unmigrated_catalog(config).await?;
    let applied = catalog.migrate().await.context("DATABASE_URL")?;
    let made = match options.queues {
        true => queue::provision(&config.queue_url).await.context("QUEUE_URL")?,
        false => Vec::new(),
    };
    output.document(&json!({ "applied": applied, "queues_made": made }), |_| {
        let schema = match applied {
            0 => "the schema is up to date".to_owned(),
            applied => format!("{applied} migrations applied"),
        };
        match made.len() {
            0 if options.queues => format!("{schema}; no queue was missing"),
            0 => schema,
            _ => format!("{schema}; queues made: {}", made.join(", ")),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
