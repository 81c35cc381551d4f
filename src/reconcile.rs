//! `callvault reconcile`: one pass, and the backfill of old recordings.

use std::process::ExitCode;

use catalog::Schedule;
use queue::Clock;
use workers::{ReconcileReport, ReconcileWindow};

use crate::backfill_progress::Shown;
use crate::cli::ReconcileOptions;
use crate::config::Config;
use crate::output::Output;
use crate::schedule::{Swept, alone};
use crate::wiring;

pub(crate) async fn run(config: &Config, options: &ReconcileOptions, output: Output) -> anyhow::Result<ExitCode> {
    let (queue, catalog) = (wiring::queue(config).await?, wiring::catalog(config).await?);
    let now = Clock::System.now();
    let window = ReconcileWindow {
        since: options.since.map(|since| since.date_naive()),
        until: options.until.map(|until| until.date_naive()),
    };
    let reconciler = wiring::reconciler(config, &queue, &catalog, options.mode())?;
    // One that reads old lists may last for days, and must not keep the others from running meanwhile.
    let schedule = if window.since.is_some() { Schedule::Backfill } else { Schedule::Reconcile };
    let pass = async {
        let shown = window.since.map(|_| Shown::start());
        let tell = |progress: &_| shown.iter().for_each(|shown| shown.tell(progress));
        Ok(reconciler.run_telling(window, now, &tell).await?)
    };
    let swept = if options.dry_run {
        Swept { report: pass.await?, skipped: false }
    } else {
        alone(&catalog, schedule, pass).await?
    };
    let report = &swept.report;
    if report.past_retention > 0 {
        tracing::warn!(
            "{} of the missing recordings started more than RETENTION_DAYS ({}) ago: they are archived, and the next \
             retention sweep deletes them here and at Twilio; raise RETENTION_DAYS first to keep them",
            report.past_retention,
            config.policy.retention_days
        );
    }
    output.document(&swept, |swept| swept.text(schedule, text))?;
    Ok(ExitCode::SUCCESS)
}

fn text(report: &ReconcileReport) -> String {
    format!(
        "listed {}, unfinished {}, missing {} (past retention {}), moved {}, stuck {}, jobs queued {}",
        report.listed,
        report.unfinished,
        report.missing,
        report.past_retention,
        report.moved,
        report.stuck,
        report.published
    )
}
