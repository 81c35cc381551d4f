//! What large recordings take when many are under way at once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use simulator::{CallPlan, CallbackPlan, MediaPlan};

use crate::process::Fleet;
use crate::report::Report;

const RECORDINGS: u64 = 64;
const RECORDING_BYTES: u64 = 200_000_000;
const RESIDENT_MIB: f64 = 256.0;
/// Sealed they are a little larger; the rest is for whatever else writes to that disk.
const DISK_BYTES: u64 = RECORDINGS * RECORDING_BYTES + 2_000_000_000;
const PATIENCE: Duration = Duration::from_secs(150);

/// All recordings end at about the same time: the whole of it is one run, `RECORDINGS` at once.
pub(crate) async fn measure(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    report.section(&format!("`callvault serve`, {RECORDINGS} recordings of 200 MB archived at once"));
    let disk = rustix::fs::statvfs(folder)?;
    let free_bytes = disk.f_bavail * disk.f_frsize;
    if free_bytes < DISK_BYTES {
        let (needed, free) = (DISK_BYTES / 1_000_000_000, free_bytes / 1_000_000_000);
        report.note("not measured", &format!("it takes {needed} GB of disk, and {free} GB are free"));
        return Ok(());
    }
    let many = RECORDINGS.to_string();
    let settings = [
        ("WORKER_CONCURRENCY", many.as_str()),
        ("TWILIO_MAX_CONCURRENCY", many.as_str()),
        ("TWILIO_REQUESTS_PER_SECOND", "1000"),
        ("TRANSCRIPTION_PROVIDER", "none"),
    ];
    let mut fleet = Fleet::start(folder, "serve", &settings).await?;
    let (began, before) = (Instant::now(), fleet.cpu_secs()?);
    let placed = join_all((0..RECORDINGS).map(|index| fleet.twilio.place_call(plan(index)))).await;
    let is_accepted = placed.iter().flat_map(|call| &call.callbacks).all(|callback| callback.is_accepted());
    ensure!(is_accepted, "a callback was not accepted");
    until_archived(&mut fleet, began).await?;

    let (took, cpu) = (began.elapsed().as_secs_f64(), fleet.cpu_secs()? - before);
    let at_once = fleet.twilio.counters().media_in_flight_max;
    let gigabytes = (RECORDINGS * RECORDING_BYTES) as f64 / 1e9;
    let resident = fleet.resident_mib()?;
    report.target("most in flight at once", "64", &at_once.to_string(), at_once == RECORDINGS);
    report.target("most resident memory, MiB", "< 256", &format!("{:.1}", resident.peak), resident.peak < RESIDENT_MIB);
    report.note("resident memory when done, MiB", &format!("{:.1}", resident.now));
    report.note("seconds until all were archived", &format!("{took:.1}"));
    report.note("MB a second, simulator on the same cores", &format!("{:.0}", gigabytes * 1000.0 / took));
    report.note("processor seconds of callvault a GB", &format!("{:.2}", cpu / gigabytes));
    Ok(())
}

fn plan(index: u64) -> CallPlan {
    CallPlan {
        media: MediaPlan::Synthetic { bytes: RECORDING_BYTES },
        source: "RecordVerb",
        is_conference: false,
        started_at: started_at(),
        callbacks: CallbackPlan::default(),
        index,
    }
}

#[expect(clippy::disallowed_methods, reason = "a recording of now, as a process with the system's clock sees it")]
fn started_at() -> DateTime<Utc> {
    Utc::now()
}

/// Every recording is in the vault, as long as it was at Twilio.
async fn until_archived(fleet: &mut Fleet, began: Instant) -> anyhow::Result<()> {
    loop {
        fleet.check_alive()?;
        let rows = fleet.json(&["recordings", "list", "--status", "archived", "--limit", "1000"]).await?;
        if rows.len() as u64 == RECORDINGS {
            ensure!(rows.iter().all(|row| row["media"]["bytes"] == RECORDING_BYTES), "a recording of another length");
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "only {} of {RECORDINGS} archived after {PATIENCE:?}", rows.len());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
