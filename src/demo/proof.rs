//! Opens everything that was stored and compares it with what the simulator knows to be true.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest;
use catalog::{Catalog, RecordingRow, Status};
use futures::TryStreamExt;
use queue::Clock;
use serde::Serialize;
use simulator::{SimulatedRecording, Simulator};
use transcriber::Transcript;
use vault::{ObjectKey, Vault};

use crate::config::Config;
use crate::output::table;
use crate::wiring;

const FIRST_WORDS: usize = 5;
const TRANSCRIPT_BYTES_MOST: usize = 16 << 20;

/// What was found.
#[derive(Serialize)]
pub(super) struct Proof {
    lines: Vec<Line>,
    /// What is wrong beyond single recordings.
    problems: Vec<String>,
    forged_refused: u64,
}

/// One recording, and what of it is not as it should be.
#[derive(Serialize)]
struct Line {
    recording: String,
    call: String,
    seconds: String,
    bytes: String,
    sha256: String,
    words: String,
    retention: String,
    problem: Option<String>,
}

pub(super) async fn prove(config: &Config, catalog: &Catalog, simulator: &Simulator) -> anyhow::Result<Proof> {
    let vault = wiring::vault(config).await?;
    let truth = simulator.recordings();
    let (mut lines, mut expected) = (Vec::new(), BTreeSet::new());
    for recording in &truth {
        let row = catalog.recording(&recording.recording_sid).await?;
        lines.push(prove_one(config, catalog, &vault, recording, row.as_ref(), &mut expected).await);
    }
    let mut problems = Vec::new();
    let stored: Vec<_> = vault.store().list("").try_collect().await?;
    for object in stored.iter().filter(|object| !expected.contains(object.key.as_str())) {
        problems.push(format!("{} is in the vault and belongs to nothing", object.key));
    }
    let rows: u64 = catalog.counts().await?.values().sum();
    if rows != truth.len() as u64 {
        problems.push(format!("{rows} recordings in the catalog, {} at Twilio", truth.len()));
    }
    Ok(Proof { lines, problems, forged_refused: simulator.counters().callbacks_refused })
}

async fn prove_one(
    config: &Config,
    catalog: &Catalog,
    vault: &Vault,
    truth: &SimulatedRecording,
    row: Option<&RecordingRow>,
    expected: &mut BTreeSet<String>,
) -> Line {
    let mut line = Line {
        recording: truth.recording_sid.to_string(),
        call: row.and_then(|row| row.call_sid.as_ref()).map(ToString::to_string).unwrap_or_default(),
        seconds: row.and_then(|row| row.duration_secs).map(|secs| secs.to_string()).unwrap_or_default(),
        bytes: String::new(),
        sha256: String::new(),
        words: String::new(),
        retention: String::new(),
        problem: None,
    };
    let proven = match row {
        None => Err(anyhow::anyhow!("not in the catalog")),
        Some(row) => prove_row(config, catalog, vault, truth, row, &mut line, expected).await,
    };
    line.problem = proven.err().map(|error| format!("{error:#}"));
    line
}

async fn prove_row(
    config: &Config,
    catalog: &Catalog,
    vault: &Vault,
    truth: &SimulatedRecording,
    row: &RecordingRow,
    line: &mut Line,
    expected: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let due = row.retention_from + chrono::TimeDelta::days(i64::from(config.policy.retention_days));
    let is_due = due <= Clock::System.now();
    match row.status {
        Status::Absent => {
            line.retention = "absent: Twilio kept nothing".to_owned();
            anyhow::ensure!(truth.sha256.is_none(), "absent here, and Twilio has media");
            return Ok(());
        }
        Status::Deleted => {
            line.retention = "deleted everywhere".to_owned();
            anyhow::ensure!(is_due && !row.is_held, "deleted before its date or under a hold");
            anyhow::ensure!(truth.status == "deleted", "deleted here, and still at Twilio");
            return Ok(());
        }
        Status::Transcribed => {}
        status => anyhow::bail!("ended as {status}"),
    }
    line.retention = if row.is_held { "kept: legal hold".to_owned() } else { format!("until {}", due.format("%F")) };
    anyhow::ensure!(!is_due || row.is_held, "past its date and still here");
    let media = row.media.as_ref().ok_or_else(|| anyhow::anyhow!("no media"))?;
    expected.insert(media.object.clone());
    let transcript = catalog.latest_transcript(&row.recording_sid).await?.and_then(|made| made.object);
    let transcript = transcript.ok_or_else(|| anyhow::anyhow!("no transcript"))?;
    expected.insert(transcript.clone());
    let (sha256, bytes) = hash(vault, &media.object.parse()?).await?;
    line.bytes = bytes.to_string();
    anyhow::ensure!(Some(&sha256) == truth.sha256.as_ref(), "SHA-256 is not Twilio's");
    line.sha256 = format!("{}… ok", &sha256[..8]);
    let json = vault.read(&transcript.parse()?, TRANSCRIPT_BYTES_MOST).await?;
    let transcript: Transcript = serde_json::from_slice(&json)?;
    line.words = transcript.text.split_whitespace().take(FIRST_WORDS).collect::<Vec<_>>().join(" ");
    anyhow::ensure!(bare(&transcript.text) == bare(&truth.text), "the transcript is not what was said");
    Ok(())
}

/// Words without capitals, punctuation and order: a transcriber writes its own, and turns of two channels interleave.
fn bare(text: &str) -> Vec<String> {
    let word =
        |word: &str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let mut words: Vec<String> = text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect();
    words.sort();
    words
}

async fn hash(vault: &Vault, key: &ObjectKey) -> anyhow::Result<(String, u64)> {
    let (mut sha256, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
    let mut body = vault.open(key).await?;
    while let Some(chunk) = body.try_next().await? {
        sha256.update(&chunk);
        bytes += chunk.len() as u64;
    }
    let hash = sha256.finish();
    Ok((hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(), bytes))
}

impl Proof {
    pub(super) fn is_right(&self) -> bool {
        self.problems.is_empty() && self.lines.iter().all(|line| line.problem.is_none())
    }

    pub(super) fn text(&self, folder: &Path) -> String {
        let headings = ["recording", "call", "seconds", "bytes", "sha-256", "first words", "retention"];
        let short = |sid: &str| sid.chars().take(10).collect::<String>();
        let rows = self.lines.iter().map(|line| {
            let last =
                line.problem.as_ref().map_or_else(|| line.retention.clone(), |problem| format!("WRONG: {problem}"));
            let (call, words) = (short(&line.call), line.words.clone());
            vec![
                short(&line.recording),
                call,
                line.seconds.clone(),
                line.bytes.clone(),
                line.sha256.clone(),
                words,
                last,
            ]
        });
        let rows = rows.collect::<Vec<_>>();
        let right = self.lines.iter().filter(|line| line.problem.is_none()).count();
        let mut text = table(&headings, &rows);
        for problem in &self.problems {
            text.push_str(&format!("WRONG: {problem}\n"));
        }
        text.push_str(&format!(
            "\n{right} of {} recordings accounted for, every stored byte opened and compared; {} forged callbacks refused.\n\
             Twilio and the transcriber were simulated; queue, catalog and vault are the real ones, in {}.",
            self.lines.len(), self.forged_refused, folder.display()
        ));
        text
    }
}
