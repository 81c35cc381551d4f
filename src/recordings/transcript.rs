//! `callvault recordings transcript` and `recordings transcribe`.

use std::time::Duration;

use anyhow::Context;
use catalog::Catalog;
use queue::{Clock, Job};
use serde_json::json;
use transcriber::Transcript;
use twilio::RecordingSid;

use super::{audit, find};
use crate::actor::actor;
use crate::cli::TranscriptFormat;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

const TRANSCRIPT_BYTES_MOST: usize = 64 << 20;

pub(super) async fn print(
    config: &Config,
    catalog: &Catalog,
    sid: &RecordingSid,
    format: TranscriptFormat,
    output: Output,
) -> anyhow::Result<()> {
    let row = find(catalog, sid).await?;
    let made = catalog.latest_transcript(sid).await?;
    let object = made.and_then(|made| made.object);
    let object = object.with_context(|| format!("{sid} has no transcript: its status is {}", row.status))?;
    let json = wiring::vault(config).await?.read(&object.parse()?, TRANSCRIPT_BYTES_MOST).await?;
    let transcript: Transcript =
        serde_json::from_slice(&json).with_context(|| format!("{object} holds no transcript"))?;
    audit(catalog, "transcript", Some(sid), format!("version {}", transcript.version)).await?;
    let is_json = output.is_json || matches!(format, TranscriptFormat::Json);
    Output { is_json }.document(&transcript, |transcript| match format {
        TranscriptFormat::Txt | TranscriptFormat::Json => transcript.to_txt(),
        TranscriptFormat::Srt => transcript.to_srt(),
        TranscriptFormat::Vtt => transcript.to_vtt(),
    })
}

/// Asks for a further version: written down first, so that a lost job is found again by reconcile.
pub(super) async fn make_again(
    config: &Config,
    catalog: &Catalog,
    sid: &RecordingSid,
    model: Option<&str>,
    output: Output,
) -> anyhow::Result<()> {
    let row = find(catalog, sid).await?;
    let queue = wiring::queue(config).await?;
    let version = catalog.request_transcript(sid, model, &actor(), Clock::System.now()).await?;
    let job =
        Job::TranscribeV1 { account_sid: row.account_sid, recording_sid: sid.clone(), version, is_backfill: false };
    queue.publish(&job, Duration::ZERO).await.context("written down, not queued: reconcile will queue it")?;
    output.document(&json!({ "recording_sid": sid, "version": version }), |_| {
        format!("{sid}: version {version} of the transcript is queued")
    })
}
