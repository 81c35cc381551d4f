//! What large recordings take when many are under way at once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde_json::Value;
use simulator::{CallPlan, MediaPlan};

use crate::fleet::Fleet;
use crate::report::Report;

const RECORDINGS: u64 = 64;
const RECORDING_BYTES: u64 = 200_000_000;
const TOTAL_GB: f64 = (RECORDINGS * RECORDING_BYTES) as f64 / 1e9;
const RESIDENT_MIB: f64 = 256.0;
/// Sealed they are a little larger; the rest is for whatever else writes to that disk.
const DISK_BYTES: u64 = RECORDINGS * RECORDING_BYTES + 2_000_000_000;
const PATIENCE: Duration = Duration::from_secs(150);

/// All at once through `serve`: each is archived, and streamed to the transcriber while others are still archived.
pub(crate) async fn measure(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    report.section(&format!("callvault serve: {RECORDINGS} recordings of 200 MB at once, archived and transcribed"));
    let disk = rustix::fs::statvfs(folder)?;
    let free_bytes = disk.f_bavail * disk.f_frsize;
    if free_bytes < DISK_BYTES {
        let (needed, free) = (DISK_BYTES / 1_000_000_000, free_bytes / 1_000_000_000);
        report.note("not measured", &format!("it takes {needed} GB of disk, and {free} GB are free"));
        return Ok(());
    }
    let at_once = RECORDINGS.to_string();
    let settings = [
        ("WORKER_CONCURRENCY", at_once.as_str()),
        ("TWILIO_MAX_CONCURRENCY", at_once.as_str()),
        ("TWILIO_REQUESTS_PER_SECOND", "1000"),
    ];
    let mut fleet = Fleet::start(folder, "serve", &settings).await?;
    let (began, before) = (Instant::now(), fleet.cpu_secs()?);
    let started_at = fleet.callbacks().started_at;
    let calls = join_all((0..RECORDINGS).map(|index| fleet.twilio.place_call(plan(index, started_at)))).await;
    let is_accepted = calls.iter().flat_map(|call| &call.callbacks).all(|callback| callback.is_accepted());
    ensure!(is_accepted, "a callback was not accepted");
    let done = until_transcribed(&mut fleet, began).await?;
    let (took, cpu) = (began.elapsed().as_secs_f64(), fleet.cpu_secs()? - before);

    let (counters, resident) = (fleet.twilio.counters(), fleet.resident_mib()?);
    let downloads = counters.media_in_flight_max;
    report.target("most downloads at once", &at_once, &downloads.to_string(), downloads == RECORDINGS);
    report.note("most transcriptions at once", &counters.transcriber_in_flight_max.to_string());
    report.target("most resident memory, MiB", "< 256", &format!("{:.1}", resident.peak), resident.peak < RESIDENT_MIB);
    report.note("resident memory when done, MiB", &format!("{:.1}", resident.now));
    report.note("done, of 64", &format!("{done} after {took:.1} s, the simulator on the same cores"));
    report.note("processor seconds of callvault a GB", &format!("{:.2}", cpu / TOTAL_GB));
    Ok(())
}

fn plan(index: u64, started_at: DateTime<Utc>) -> CallPlan {
    CallPlan {
        media: MediaPlan::Synthetic { bytes: RECORDING_BYTES },
        source: "RecordVerb",
        ..CallPlan::nth(index, started_at)
    }
}

/// How many recordings came to their end in time, each as long as it was at Twilio, and the same when it was opened
/// for the transcriber.
async fn until_transcribed(fleet: &mut Fleet, began: Instant) -> anyhow::Result<u64> {
    loop {
        fleet.check_alive()?;
        let rows = fleet.json(&["recordings", "list", "--status", "transcribed", "--limit", "1000"]).await?;
        if rows.len() as u64 == RECORDINGS || began.elapsed() > PATIENCE {
            let heard = fleet.twilio.counters().transcriptions;
            let is_whole = |row: &Value| {
                let media = &row["media"];
                media["bytes"] == RECORDING_BYTES
                    && media["sha256"].as_str().is_some_and(|hash| heard.contains_key(hash))
            };
            ensure!(rows.iter().all(is_whole), "a recording differs from Twilio's");
            return Ok(rows.len() as u64);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
