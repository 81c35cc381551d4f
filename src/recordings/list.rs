//! `callvault recordings list`.

use catalog::{Catalog, ListFilter, RecordingView};

use super::audit;
use crate::cli::ListOptions;
use crate::config::Config;
use crate::output::Output;

pub(super) async fn run(
    config: &Config,
    catalog: &Catalog,
    options: &ListOptions,
    output: Output,
) -> anyhow::Result<()> {
    audit(catalog, "list", None, format!("{options:?}")).await?;
    let rows = catalog
        .list(&ListFilter {
            status: options.status,
            since: options.since,
            until: options.until,
            call: options.call.clone(),
            limit: options.limit,
        })
        .await?;
    let sids: Vec<_> = rows.iter().map(|row| row.recording_sid.clone()).collect();
    let transcripts = catalog.latest_transcripts(&sids).await?;
    let view = |row| RecordingView::new(row, transcripts.get(&row.recording_sid), &config.policy);
    let views: Vec<_> = rows.iter().map(view).collect();
    let headings = ["recording", "status", "started", "seconds", "bytes", "words", "delete after", "hold"];
    output.list(&views, &headings, |view| {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            view.recording_sid.to_string(),
            view.status.to_string(),
            view.started_at.map(|at| at.format("%F %T").to_string()).unwrap_or_default(),
            number(view.duration_seconds.map(u64::from)),
            number(view.media.as_ref().map(|media| media.bytes)),
            number(view.transcript.as_ref().map(|transcript| transcript.words)),
            view.delete_after.format("%F").to_string(),
            if view.legal_hold { "held".to_owned() } else { String::new() },
        ]
    })
}
