//! One run: calls and faults from a seed, calm, and the check of the books.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use simulator::PlannedRecording;

use crate::calls::{self, Call};
use crate::calm::{Calm, settle};
use crate::fault::Role;
use crate::ledger;
use crate::process::until;
use crate::schedule::Schedule;
use crate::world::{Servers, World};

/// Calls a second.
const RATE: f64 = 5.0;
const START_PATIENCE: Duration = Duration::from_secs(180);

/// What a run was and came to.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) calls: u64,
    pub(crate) callbacks: u64,
    pub(crate) callbacks_lost: u64,
    pub(crate) forged: u64,
    pub(crate) dead_letters: Vec<String>,
    pub(crate) healed_after: Duration,
    pub(crate) took: Duration,
    pub(crate) exceptions: Vec<String>,
}

/// Runs `seed` with `count` calls; an error only where the harness itself could not go on.
pub(crate) async fn run(
    servers: Arc<Servers>,
    folder: &Path,
    seed: u64,
    count: u64,
    schedule: Schedule,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let world = World::made(servers, folder, seed).await?;
    let _supervisor = world.fleet.start_all(|role| !(schedule.reconciles_late && role == Role::Reconcile)).await?;
    until("every process is ready", START_PATIENCE, async || world.fleet.is_ready().await).await?;
    #[expect(clippy::disallowed_methods, reason = "recent calls, as seen by processes with the system's clock")]
    let calls = calls::drawn(seed, count, spread(count), chrono::Utc::now());
    let (placed, suffered) = tokio::join!(place(&world, &calls), storm(&world, &schedule));
    suffered?;
    let calm = settle(&world, &calls, &placed, &schedule).await?;
    let Calm { healed_after, dead_letters, mut exceptions, .. } = calm;
    world.fleet.stop_all().await;
    exceptions.extend(ledger::exceptions(&world, folder, &calls, &placed).await?);
    let counters = world.twilio.counters();
    world.clear().await?;
    Ok(Report {
        seed,
        schedule,
        calls: count,
        callbacks: counters.callbacks_accepted,
        callbacks_lost: counters.callbacks_lost,
        forged: counters.callbacks_forged,
        dead_letters,
        healed_after,
        took: began.elapsed(),
        exceptions,
    })
}

/// How long calls, and faults, go on to begin.
pub(crate) fn spread(calls: u64) -> Duration {
    Duration::from_secs_f64(calls as f64 / RATE)
}

/// Every call at its time; done when Twilio has told of the last, or given up.
async fn place(world: &World, calls: &[Call]) -> Vec<PlannedRecording> {
    join_all(calls.iter().map(|call| async {
        tokio::time::sleep(call.at).await;
        world.twilio.place_call(call.plan.clone()).await
    }))
    .await
}

/// Every fault at its time; done when the last is over and what it took away runs again.
async fn storm(world: &World, schedule: &Schedule) -> anyhow::Result<()> {
    let faults = schedule.faults.iter().map(|planned| async {
        tokio::time::sleep(planned.at).await;
        world.suffer(planned).await
    });
    try_join_all(faults).await.map(drop)
}
