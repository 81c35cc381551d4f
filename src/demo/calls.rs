//! The calls of the demo: ordinary ones, and those that a naive service would lose or double.

use anyhow::Context;
use catalog::Catalog;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use queue::Clock;
use simulator::{CallPlan, CallbackPlan, MediaPlan, Simulator};

const AT_ONCE: usize = 16;
/// Older than RETENTION_DAYS (30).
const OLD_DAYS: i64 = 40;
/// The index, among each twelve calls, of the old one that is put under a legal hold.
const HELD: u64 = 11;

pub(super) fn plans(calls: u32, began_at: DateTime<Utc>) -> Vec<CallPlan> {
    (0..u64::from(calls)).map(|index| plan(index, began_at)).collect()
}

fn plan(index: u64, began_at: DateTime<Utc>) -> CallPlan {
    let minutes = i64::try_from(index % 600).unwrap_or(0);
    let recent = CallPlan::nth(index, began_at - TimeDelta::minutes(5 + minutes));
    let old = began_at - TimeDelta::days(OLD_DAYS) - TimeDelta::minutes(minutes);
    let callbacks = |callbacks: CallbackPlan| CallPlan { callbacks, ..recent.clone() };
    match index % 12 {
        1 => callbacks(CallbackPlan { duplicates: 3, ..CallbackPlan::default() }),
        2 => callbacks(CallbackPlan { out_of_order: true, ..CallbackPlan::default() }),
        3 => callbacks(CallbackPlan { forged: true, ..CallbackPlan::default() }),
        4 => {
            CallPlan { source: "Trunking", callbacks: CallbackPlan { none: true, ..CallbackPlan::default() }, ..recent }
        }
        6 => CallPlan { media: MediaPlan::Absent { code: 16101 }, ..recent },
        8 | 10 | HELD => CallPlan { started_at: old, ..recent },
        _ => recent,
    }
}

/// What an earlier run of this demo had Twilio delete stays deleted.
pub(super) async fn restore(simulator: &Simulator, catalog: &Catalog, plans: &[CallPlan]) -> anyhow::Result<()> {
    for plan in plans {
        let planned = simulator.add_recording(plan.clone());
        let row = catalog.recording(&planned.recording_sid).await?;
        if row.is_some_and(|row| row.twilio_deleted_at.is_some()) {
            simulator.set_status(&planned.recording_sid, "deleted");
        }
    }
    Ok(())
}

pub(super) async fn place(simulator: &Simulator, plans: Vec<CallPlan>) -> anyhow::Result<()> {
    let placed: Vec<_> =
        futures::stream::iter(plans).map(|plan| simulator.place_call(plan)).buffer_unordered(AT_ONCE).collect().await;
    let lost =
        placed.iter().flat_map(|call| &call.callbacks).find(|callback| !callback.is_forged && !callback.is_accepted());
    match lost {
        Some(callback) => Err(anyhow::anyhow!("a callback was not accepted: status {}", callback.status)),
        None => Ok(()),
    }
}

/// Puts the oldest calls' first held one under a legal hold, before retention looks.
pub(super) async fn hold_one(simulator: &Simulator, catalog: &Catalog) -> anyhow::Result<()> {
    let recordings = simulator.recordings();
    let Some(held) = usize::try_from(HELD).ok().and_then(|at| recordings.get(at)) else { return Ok(()) };
    let row = catalog.recording(&held.recording_sid).await?.context("the recording to hold is not in the catalog")?;
    if row.is_held || row.is_marked || row.deleted_at.is_some() {
        return Ok(());
    }
    catalog.place_hold(&held.recording_sid, "shown by the demo", "demo", Clock::System.now()).await?;
    Ok(())
}
