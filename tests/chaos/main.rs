//! Nothing is lost: a whole fleet on real engines, faults drawn from a seed, and the books checked against what Twilio
//! made.
//!
//! Without arguments a few fixed seeds run, as `cargo test` does; `make chaos ARGS="--runs 200 --seed 1"` runs many.
//! The way in: `run` → `world` (servers, processes, lines) → `schedule` (what goes wrong) → `calm` → `ledger`.
#![allow(clippy::unwrap_used, reason = "a harness that cannot go on has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints what it does")]

mod calls;
mod calm;
mod clock;
mod fault;
mod fleet;
#[path = "../it/free_port.rs"]
mod free_port;
mod ledger;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod receiver;
mod rows;
mod run;
mod s3;
mod schedule;
mod summary;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use run::{Report, run, spread};
use schedule::Schedule;
use summary::Summary;
use world::Servers;

/// What runs where nothing else is asked for: RabbitMQ, PostgreSQL, an ingest, workers and a sweep are killed in them,
/// clocks jump, and the transcriber answers twice.
const FIXED_SEEDS: [u64; 2] = [144, 311];
const FIXED_CALLS: u64 = 20;

/// Random faults against a whole fleet.
#[derive(Debug, Parser)]
struct Options {
    /// How many schedules to run.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// The first seed; the others follow it. Default: any.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Calls in each run.
    #[arg(long, value_name = "N", default_value_t = 40)]
    calls: u64,
    /// Without any fault.
    #[arg(long)]
    calm: bool,
    /// Print the schedules and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep the folder of each run, not only of those that failed.
    #[arg(long)]
    keep: bool,
    /// The callvault to run; default: the one that was built along.
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_callvault"))]
    program: PathBuf,
    /// Names of tests, as cargo test passes them on: nothing is run where none is in "chaos".
    #[arg(hide = true)]
    filters: Vec<String>,
}

impl Options {
    fn seeds_and_calls(&self) -> (Vec<u64>, u64) {
        if self.runs.is_none() && self.seed.is_none() {
            return (FIXED_SEEDS.to_vec(), FIXED_CALLS);
        }
        let first = self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        ((first..first + self.runs.unwrap_or(1)).collect(), self.calls)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let done = match arguments.as_slice() {
        [_, command, folder, port] if command == s3::COMMAND => s3::serve(folder, port).map(|()| true),
        _ => chaos(&Options::parse()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost, doubled or left unexplained.
#[tokio::main]
async fn chaos(options: &Options) -> anyhow::Result<bool> {
    if !options.filters.is_empty() && !options.filters.iter().any(|filter| "chaos".contains(filter.as_str())) {
        return Ok(true);
    }
    let (seeds, calls) = options.seeds_and_calls();
    if options.dry_run {
        seeds.iter().for_each(|seed| print!("seed {seed}\n{}", Schedule::drawn(*seed, spread(calls))));
        return Ok(true);
    }
    let mut reports = Vec::new();
    // A Ctrl-C must leave no server behind: what is dropped is ended.
    let is_done = tokio::select! {
        done = all(options, seeds, calls, &mut reports) => done?,
        _ = tokio::signal::ctrl_c() => false,
    };
    println!("\n{}", Summary(&reports));
    Ok(is_done && reports.iter().all(|report| report.exceptions.is_empty()))
}

/// Whether every run came to its end, well or not.
async fn all(options: &Options, seeds: Vec<u64>, calls: u64, reports: &mut Vec<Report>) -> anyhow::Result<bool> {
    let work = tempfile::Builder::new().prefix("chaos").tempdir()?;
    open_to_all(work.path())?;
    let servers = Arc::new(Servers::start(work.path(), options.program.canonicalize()?).await?);
    let mut is_done = true;
    for seed in seeds {
        let schedule = if options.calm { Schedule::default() } else { Schedule::drawn(seed, spread(calls)) };
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        match run(Arc::clone(&servers), &folder, seed, calls, schedule.clone()).await {
            Ok(report) => {
                tell(&report, &folder);
                if report.exceptions.is_empty() && !options.keep {
                    std::fs::remove_dir_all(&folder)?;
                }
                reports.push(report);
            }
            Err(error) => {
                println!("seed {seed}: broken off: {error:#}\n{schedule}  its logs are in {}", folder.display());
                is_done = false;
            }
        }
    }
    // Killed, it would leave its shared memory behind.
    servers.postgres.lock().await.stop().await;
    Ok(is_done)
}

fn tell(report: &Report, folder: &Path) {
    let Report { seed, schedule, exceptions, dead_letters, healed_after, took, .. } = report;
    println!(
        "seed {seed}: {} faults, {} dead letters, at rest after {:.0} s, {:.0} s in all: {}",
        schedule.faults.len(),
        dead_letters.len(),
        healed_after.as_secs_f64(),
        took.as_secs_f64(),
        if exceptions.is_empty() { "nothing lost, nothing doubled" } else { "NOT AS IT HAS TO BE" }
    );
    if !exceptions.is_empty() {
        print!("{schedule}");
        dead_letters.iter().for_each(|letter| println!("  dead letter: {letter}"));
        exceptions.iter().for_each(|exception| println!("  {exception}"));
        println!("  again: make chaos ARGS=\"--seed {seed} --runs 1\"; its logs are in {}", folder.display());
    }
}

/// Servers run as users of their own.
fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}
