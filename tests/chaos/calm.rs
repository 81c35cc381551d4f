//! After the storm: everything runs, and the fleet is waited for until nothing is left to do.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use simulator::{CallbackOutcome, PlannedRecording};
use twilio::RecordingSid;

use crate::calls::{Call, End};
use crate::fault::Role;
use crate::process::until;
use crate::rows;
use crate::schedule::Schedule;
use crate::world::World;

/// A part of an upload that is never answered is given 200 seconds, and sent again then.
const PATIENCE: Duration = Duration::from_secs(300);
/// By a clock that is off a job is old, and what lasts is asked after in up to twelve minutes; a claim by one that is
/// ahead is believed for ten.
const SKEWED_PATIENCE: Duration = Duration::from_secs(900);
const COMMAND_PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A look costs processes, and some waits are of minutes.
const LOOK_EVERY_MOST: Duration = Duration::from_secs(3);
const REDRIVES: u32 = 3;

/// What was parked on the way.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    patience: Duration,
    pub(crate) healed_after: Duration,
    /// The reason of each dead letter.
    pub(crate) dead_letters: Vec<String>,
    pub(crate) exceptions: Vec<String>,
}

/// Waits, redrives what was parked, and waits again.
pub(crate) async fn settle(
    world: &World,
    calls: &[Call],
    placed: &[PlannedRecording],
    schedule: &Schedule,
) -> anyhow::Result<Calm> {
    let patience = if schedule.skews_work() { SKEWED_PATIENCE } else { PATIENCE };
    let (began, mut calm) = (Instant::now(), Calm { patience, ..Calm::default() });
    until("every process is ready", PATIENCE, async || world.fleet.is_ready().await).await?;
    if schedule.wipes_queues() {
        again(world, "reconcile").await?;
        again(world, "retention").await?;
    }
    if schedule.reconciles_late {
        let heard: Vec<_> =
            placed.iter().filter(|call| is_heard(call)).map(|call| call.recording_sid.clone()).collect();
        calm.wait(world, calls, |sid| heard.contains(sid)).await;
        world.fleet.start(Role::Reconcile).await?;
    }
    for redrive in 0..=REDRIVES {
        calm.wait(world, calls, |_| true).await;
        let dead = world.fleet.json(&["queue", "dead"]).await?;
        if dead.is_empty() || !calm.exceptions.is_empty() {
            break;
        }
        if redrive == REDRIVES {
            calm.exceptions.push(format!("dead letters after {REDRIVES} redrives: {dead:?}"));
            break;
        }
        dead.iter().for_each(|letter| calm.note(letter));
        world.fleet.json(&["queue", "redrive"]).await?;
    }
    calm.healed_after = began.elapsed();
    a_day_later(world).await?;
    Ok(calm)
}

/// Whether ingest answered 2xx to what Twilio had to say in the end.
fn is_heard(call: &PlannedRecording) -> bool {
    let is_last_word = |callback: &&CallbackOutcome| !callback.is_forged && callback.recording_status != "in-progress";
    call.callbacks.iter().filter(is_last_word).any(CallbackOutcome::is_accepted)
}

impl Calm {
    /// Waits until all that are meant are at their ends; notes which are not where that takes too long.
    async fn wait(&mut self, world: &World, calls: &[Call], is_meant: impl Fn(&RecordingSid) -> bool) {
        let (began, mut last) = (Instant::now(), String::new());
        while began.elapsed() < self.patience {
            let mut seen = unfinished(world, calls, &is_meant).await;
            if matches!(seen, Ok(None)) {
                // A job that is just being handed over is in neither count: two looks in a row find it.
                seen = unfinished(world, calls, &is_meant).await;
            }
            match seen {
                Ok(None) => return,
                Ok(Some(what)) => last = what,
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep((began.elapsed() / 20).clamp(LOOK_EVERY, LOOK_EVERY_MOST)).await;
        }
        self.exceptions.push(format!("not settled within {:?}: {last}", self.patience));
    }

    fn note(&mut self, letter: &Value) {
        let reason = letter["reason"].as_str().unwrap_or_default().to_owned();
        if reason.is_empty() {
            self.exceptions.push(format!("a dead letter without a reason: {letter}"));
        }
        self.dead_letters.push(format!("{}: {reason}", letter["stage"].as_str().unwrap_or_default()));
    }
}

/// One pass that takes nothing for granted: what an operator runs when the queue was lost.
async fn again(world: &World, sweep: &str) -> anyhow::Result<()> {
    let runs = async || match world.fleet.json(&[sweep, "--again"]).await {
        Ok(reports) => reports.first().is_some_and(|report| report["skipped"] == false),
        Err(_) => false,
    };
    until(&format!("{sweep} --again is done"), COMMAND_PATIENCE, runs).await
}

/// What there is left to do: recordings that are neither at their end nor failed, or somebody at work.
async fn unfinished(
    world: &World,
    calls: &[Call],
    is_meant: impl Fn(&RecordingSid) -> bool,
) -> anyhow::Result<Option<String>> {
    let rows = rows::recordings(world).await?;
    let ends: BTreeMap<&str, &str> = rows.iter().map(|row| (&*row.recording_sid, &*row.status)).collect();
    for truth in world.twilio.recordings().into_iter().filter(|truth| is_meant(&truth.recording_sid)) {
        let (end, sid) = (end(calls, truth.index)?.status(), truth.recording_sid.as_str());
        let status = ends.get(sid).copied().unwrap_or("unknown");
        if status != end && status != "failed" {
            return Ok(Some(format!("{sid} is {status}, not {end}")));
        }
    }
    let in_flight = world.fleet.jobs_in_flight().await.context("a worker does not answer")?;
    let stages = world.fleet.json(&["queue", "status"]).await?;
    let waiting = |state: &str| stages.iter().filter_map(|stage| stage[state].as_u64()).sum::<u64>();
    let (ready, delayed, claims) = (waiting("ready"), waiting("delayed"), rows::live_claims(world).await?);
    if (in_flight, ready, delayed, claims) != (0, 0, 0, 0) {
        let what = format!("{in_flight} jobs in flight, {ready} ready, {delayed} delayed, {claims} claims held");
        return Ok(Some(what));
    }
    // What a worker holds to pass it on, as after an alarm, is neither ready nor a job it is at: the broker counts it.
    let held = world.servers.rabbitmq.lock().await.queues(&world.name).await?;
    let held = held.into_iter().find(|queue| queue.messages > 0 && !queue.is_dead_letters() && !queue.is_probe());
    Ok(held.map(|queue| format!("{} of {} are held by somebody", queue.messages, queue.name)))
}

pub(crate) fn end(calls: &[Call], index: u64) -> anyhow::Result<End> {
    calls.iter().find(|call| call.plan.index == index).map(|call| call.end).context("a call that nobody placed")
}

/// What a broken-off put left is cleared away once it is a day old: all of the store grows two days older, and a sweep
/// looks.
async fn a_day_later(world: &World) -> anyhow::Result<()> {
    let folder = world.s3.lock().await.folder().to_owned();
    #[expect(clippy::disallowed_methods, reason = "the age of files is told by the system's clock")]
    grow_old(&folder, Utc::now() - TimeDelta::days(2))?;
    again(world, "retention").await
}

fn grow_old(folder: &Path, to: DateTime<Utc>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            grow_old(&path, to)?;
        } else {
            File::options().write(true).open(path)?.set_modified(to.into())?;
        }
    }
    Ok(())
}
