//! `callvault audit`: whether every recording is accounted for.

use std::process::ExitCode;

use anyhow::Context;
use catalog::Catalog;
use futures::StreamExt;
use queue::Clock;
use serde::Serialize;
use serde_json::json;
use workers::{Audit, AuditEntry, AuditSummary, AuditWindow, Finding};

use crate::actor::actor;
use crate::cli::AuditOptions;
use crate::config::Config;
use crate::output::Output;
use crate::settings::SettingsError;
use crate::{store, wiring};

/// The last line.
#[derive(Serialize)]
struct Last {
    summary: AuditSummary,
}

pub(crate) async fn run(config: &Config, options: &AuditOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let account = config.twilio()?;
    let audit = Audit {
        queue,
        store: store(config, &catalog).await?,
        vault: if options.open { Some(vault(config).await?) } else { None },
        catalog,
        twilio: wiring::twilio(account)?,
        accounts: wiring::accounts(account),
        policy: config.policy,
        expects: wiring::expects(config),
        stuck_after: config.schedules.reconcile_stuck_after,
        retention_every: config.schedules.retention_every,
        window: AuditWindow {
            since: options.since.map(|since| since.date_naive()),
            until: options.until.map(|until| until.date_naive()),
        },
        repairs: options.repair,
        actor: actor(),
        clock: Clock::System,
    };
    let mut told = Ok(());
    let mut tell = |entry: &AuditEntry| {
        if told.is_ok() {
            told = output.document(entry, text);
        }
    };
    let summary = audit.run(&mut tell).await.context("not all could be looked at, so nothing is proven")?;
    told?;
    let exceptions = summary.exceptions;
    output.document(&Last { summary }, |last| summary_text(&last.summary))?;
    Ok(if exceptions == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// `None` where nothing was ever put into one. An empty one in place of one that was filled is refused: all would seem
/// lost, and a repair would fetch all of it again.
async fn store(config: &Config, catalog: &Catalog) -> anyhow::Result<Option<std::sync::Arc<dyn vault::ObjectStore>>> {
    let (store, has_archived) = store::present(config, catalog).await?;
    match store.list("recordings/").next().await {
        Some(Err(error)) if !has_archived && error.kind == vault::StoreErrorKind::NoStore => Ok(None),
        Some(Err(error)) => Err(error).context("RECORDINGS_BUCKET"),
        _ => Ok(Some(store)),
    }
}

/// With the key to open it.
async fn vault(config: &Config) -> anyhow::Result<vault::Vault> {
    if !config.has_identity() {
        return Err(SettingsError::required("encryption_identity_file").into());
    }
    wiring::vault(config).await
}

fn text(entry: &AuditEntry) -> String {
    match entry {
        AuditEntry::Exception(finding) => exception_text(finding),
        AuditEntry::Failed { failed, what } => format!("{failed}  failed, for a reason (accounted for): {what}"),
    }
}

fn exception_text(finding: &Finding) -> String {
    let sid = finding.recording_sid.as_ref().map_or_else(|| "(no recording)".to_owned(), ToString::to_string);
    let exception = json!(finding.exception);
    let exception = exception.as_str().unwrap_or_default();
    let done = finding.repair.as_ref().map_or_else(String::new, |done| format!("\n    done: {done}"));
    format!("{sid}  {exception}: {}\n    heals it: {}{done}", finding.what, finding.heals)
}

fn summary_text(summary: &AuditSummary) -> String {
    let statuses: Vec<_> =
        summary.by_status.iter().map(|(status, count)| format!("{status} {}", grouped(*count))).collect();
    let statuses = if statuses.is_empty() { "no rows".to_owned() } else { statuses.join(", ") };
    format!(
        "{} of {} accounted for; exceptions {}, repaired {}\n{statuses}; in motion {}; Twilio lists {} (unfinished {}); \
         objects {}; dead letters {}",
        grouped(summary.accounted_for),
        grouped(summary.recordings),
        grouped(summary.exceptions),
        grouped(summary.repaired),
        grouped(summary.in_motion),
        grouped(summary.listed),
        grouped(summary.unfinished),
        grouped(summary.objects),
        grouped(summary.dead_letters),
    )
}

/// 31204 as 31,204.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 999, 1000, 31_204, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "31,204", "1,234,567"]);
    }
}
