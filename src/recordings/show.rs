//! `callvault recordings show`.

use catalog::{Catalog, RecordingView};
use twilio::RecordingSid;

use super::{audit, find};
use crate::config::Config;
use crate::output::Output;

pub(super) async fn run(config: &Config, catalog: &Catalog, sid: &RecordingSid, output: Output) -> anyhow::Result<()> {
    let row = find(catalog, sid).await?;
    audit(catalog, "show", Some(sid), String::new()).await?;
    let transcript = catalog.latest_transcript(sid).await?;
    let view = RecordingView::new(&row, transcript.as_ref(), &config.policy);
    output.document(&view, |view| serde_json::to_string_pretty(view).unwrap_or_default())
}
