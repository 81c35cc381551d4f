//! `callvault queue`: depth, dead letters, redrive.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use queue::{DeadLetter, Depth, Job, Queue, Stage};
use serde::Serialize;

use crate::cli::QueueCommand;
use crate::config::Config;
use crate::output::Output;
use crate::wiring;

/// Most dead letters shown or put back in one call, for each stage.
const MOST: usize = 10_000;

#[derive(Serialize)]
struct StageDepth {
    stage: Stage,
    ready: u64,
    delayed: u64,
    /// None where the queue does not tell.
    in_flight: Option<u64>,
    backfill: u64,
    dead: u64,
}

#[derive(Serialize)]
struct Dead {
    stage: Stage,
    recording_sid: Option<String>,
    reason: String,
    attempt: u32,
    published_at: DateTime<Utc>,
    died_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Redriven {
    stage: Stage,
    redriven: usize,
}

pub(crate) async fn run(config: &Config, command: &QueueCommand, output: Output) -> anyhow::Result<ExitCode> {
    let queue = wiring::queue(config).await?;
    match command {
        QueueCommand::Status => status(queue.as_ref(), output).await?,
        QueueCommand::Dead { stage } => dead(queue.as_ref(), *stage, output).await?,
        QueueCommand::Redrive { stage } => redrive(queue.as_ref(), *stage, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(queue: &dyn Queue, output: Output) -> anyhow::Result<()> {
    let mut depths = Vec::new();
    for stage in Stage::ALL {
        let depth = queue.depth(stage).await?;
        let in_flight = queue.sees_all_in_flight().then_some(depth.in_flight);
        let Depth { ready, delayed, backfill, dead, .. } = depth;
        depths.push(StageDepth { stage, ready, delayed, in_flight, backfill, dead });
    }
    output.list(&depths, &["stage", "ready", "delayed", "in flight", "backfill", "dead"], |depth| {
        let numbers = [Some(depth.ready), Some(depth.delayed), depth.in_flight, Some(depth.backfill), Some(depth.dead)];
        let shown = numbers.map(|number| number.map_or("unknown".to_owned(), |number| number.to_string()));
        std::iter::once(depth.stage.to_string()).chain(shown).collect()
    })
}

async fn dead(queue: &dyn Queue, stage: Option<Stage>, output: Output) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    for stage in chosen(stage) {
        let dead = queue.dead_letters(stage, MOST).await?;
        letters.extend(dead.into_iter().map(|letter| describe(stage, letter)));
    }
    output.list(&letters, &["stage", "recording", "attempts", "died", "reason"], |letter| {
        vec![
            letter.stage.to_string(),
            letter.recording_sid.clone().unwrap_or_else(|| "(cannot be decoded)".to_owned()),
            letter.attempt.to_string(),
            letter.died_at.format("%F %T").to_string(),
            letter.reason.clone(),
        ]
    })
}

fn describe(stage: Stage, letter: DeadLetter) -> Dead {
    let recording_sid = Job::decode(&letter.body).ok().map(|job| job.recording_sid().to_string());
    let DeadLetter { reason, attempt, published_at, died_at, .. } = letter;
    Dead { stage, recording_sid, reason, attempt, published_at, died_at }
}

async fn redrive(queue: &dyn Queue, stage: Option<Stage>, output: Output) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for stage in chosen(stage) {
        let redriven = queue::redrive(queue, stage, MOST).await?;
        all.push(Redriven { stage, redriven });
    }
    output.list(&all, &["stage", "put back"], |one| vec![one.stage.to_string(), one.redriven.to_string()])
}

fn chosen(stage: Option<Stage>) -> Vec<Stage> {
    stage.map_or_else(|| Stage::ALL.to_vec(), |stage| vec![stage])
}
