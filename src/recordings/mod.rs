//! `callvault recordings`: what operators do. Every one of them is written to the audit log.

mod audio;
mod holds;
mod list;
mod show;
mod transcript;

use std::process::ExitCode;

use anyhow::Context;
use catalog::{AuditEntry, Catalog, RecordingRow};
use queue::Clock;
use twilio::RecordingSid;

use crate::actor::actor;
use crate::cli::RecordingsCommand;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

pub(crate) async fn run(config: &Config, command: &RecordingsCommand, output: Output) -> anyhow::Result<ExitCode> {
    let catalog = wiring::catalog(config).await?;
    match command {
        RecordingsCommand::List(options) => list::run(config, &catalog, options, output).await,
        RecordingsCommand::Show { recording } => show::run(config, &catalog, recording, output).await,
        RecordingsCommand::Audio { recording, output } => {
            audio::run(config, &catalog, recording, output.as_deref()).await
        }
        RecordingsCommand::Transcript { recording, format } => {
            let format = if output.is_json { crate::cli::TranscriptFormat::Json } else { *format };
            transcript::print(config, &catalog, recording, format, output).await
        }
        RecordingsCommand::Transcribe { recording, model } => {
            transcript::make_again(config, &catalog, recording, model.as_deref(), output).await
        }
        RecordingsCommand::Hold(with) => holds::hold(config, &catalog, with, output).await,
        RecordingsCommand::Release(with) => holds::release(config, &catalog, with, output).await,
        RecordingsCommand::Erase(with) => holds::erase(config, &catalog, with, output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn find(catalog: &Catalog, sid: &RecordingSid) -> anyhow::Result<RecordingRow> {
    let row = catalog.recording(sid).await?;
    row.with_context(|| format!("{sid}: no such recording (has reconcile seen it? `callvault reconcile --since …`)"))
}

async fn audit(catalog: &Catalog, action: &str, sid: Option<&RecordingSid>, detail: String) -> anyhow::Result<()> {
    let entry = AuditEntry { actor: actor(), action: action.to_owned(), recording_sid: sid.cloned(), detail };
    catalog.audit(&entry, Clock::System.now()).await.context("the audit log cannot be written, so nothing was done")
}
