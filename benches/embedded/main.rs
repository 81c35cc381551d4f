//! `make bench`: how fast and how big `callvault` is on embedded engines, against what it is meant to be.
//!
//! The release binary runs as its own process on a throw-away folder and is measured from outside; the load, and the
//! simulated Twilio, are this process on the same cores. It prints and asserts nothing of time. Arguments choose among
//! `idle`, `ingest`, `serve` and `large`.

mod fleet;
mod idle;
mod ingest;
mod large;
#[path = "../measure/mod.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod measure;
mod report;

use std::path::Path;

use anyhow::bail;
use measure::machine;
use report::Report;

/// Where the data goes: on the disk the build is on, never in a memory file system.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // On Ctrl-C too the processes are ended and their folders removed, by being dropped.
    tokio::select! {
        measured = measure() => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn measure() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let folder = Path::new(FOLDER);
    let mut report = Report::start(&machine::describe(folder)?);
    if is_wanted("idle") {
        idle::measure(folder, &mut report).await?;
    }
    if is_wanted("ingest") {
        ingest::measure(folder, &mut report).await?;
    }
    if is_wanted("serve") {
        ingest::measure_in_serve(folder, &mut report).await?;
    }
    if is_wanted("large") {
        large::measure(folder, &mut report).await?;
    }
    Ok(())
}
