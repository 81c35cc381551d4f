//! `make bench`: callvault beside what a team would otherwise write (`benches/baseline`), on the same RabbitMQ, the
//! same S3 server and the same media.
//!
//! Both sides' programs run as processes of their own and are measured from outside, in pairs, one after the other. The
//! load and the simulated Twilio are this process, on the same cores. It asserts nothing of time.
//! The way in: `bench` (options) → `engines` (servers) → `side` (the programs) → a file a part → `table`, `plot`.

mod archive;
mod bare;
mod baseline;
mod bench;
mod contender;
mod engines;
mod flat;
#[path = "../../tests/it/free_port.rs"]
mod free_port;
mod ingest;
mod latency;
mod limits;
#[path = "../measure/mod.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod measure;
mod plot;
#[path = "../../tests/chaos/postgres.rs"]
#[allow(dead_code, reason = "chaos uses the rest")]
mod postgres;
mod presigned;
#[path = "../../tests/chaos/process.rs"]
#[allow(dead_code, reason = "chaos uses the rest")]
mod process;
mod purges;
#[path = "../../tests/chaos/rabbitmq.rs"]
#[allow(dead_code, reason = "chaos uses the rest")]
mod rabbitmq;
mod s3;
mod side;
mod start;
mod sweeps;
mod table;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use archive::Load;
use bench::{Bench, Options, Part};
use clap::{Parser, ValueEnum};
use engines::Engines;
use side::Programs;
use tokio::signal::unix::{SignalKind, signal};

/// Where the data goes: on the disk the build is on, never in a memory file system.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const MEDIUM: Load = Load { recordings: 200, bytes: 1_000_000, concurrency: 16 };
const LARGE: Load = Load { recordings: 12, bytes: 200_000_000, concurrency: 12 };
const SMALL: Load = Load { recordings: 2_000, bytes: 64_000, concurrency: 16 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, s3::COMMAND, folder, port] => s3::serve(folder, port),
        [_, bare::COMMAND, concurrency] => bare::serve(concurrency),
        _ => measured(Options::parse()),
    }
}

#[tokio::main]
async fn measured(options: Options) -> anyhow::Result<()> {
    let mut told_to_end = signal(SignalKind::terminate())?;
    // On Ctrl-C and SIGTERM too the processes are ended and their folder removed, by being dropped.
    tokio::select! {
        measured = measure(options) => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = told_to_end.recv() => bail!("told to end"),
    }
}

async fn measure(options: Options) -> anyhow::Result<()> {
    let target = Path::new(FOLDER).parent().context("no target folder")?;
    let baseline = baseline::installed(target)?;
    let folder = tempfile::Builder::new().prefix("bench-fleet-").tempdir_in(FOLDER)?;
    // Servers run as users of their own.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let head = head(&options, folder.path())?;
    print(&head);
    let engines = Engines::start(folder.path()).await?;
    let callvault = options.program.canonicalize().with_context(|| format!("{}", options.program.display()))?;
    let programs = Programs { callvault, baseline };
    programs.prepare(&engines)?;
    let mut bench = Bench::new(options, engines, programs);
    for part in
        Part::value_variants().iter().filter(|part| bench.options.is_wanted(**part)).copied().collect::<Vec<_>>()
    {
        match part {
            Part::Ingest => ingest::measure(&mut bench).await?,
            Part::Archive => archive::measure(&mut bench, MEDIUM).await?,
            Part::Large => archive::measure(&mut bench, LARGE).await?,
            Part::Small => archive::measure(&mut bench, SMALL).await?,
            Part::Flat => flat::measure(&mut bench).await?,
            Part::Latency => latency::measure(&mut bench).await?,
            Part::Start => start::measure(&mut bench).await?,
            Part::Limits => limits::measure(&mut bench).await?,
            Part::Sweeps => sweeps::measure(&mut bench).await?,
            Part::Purges => purges::measure(&mut bench).await?,
        }
    }
    written(&bench, &head)
}

/// The machine, the commit and the command.
fn head(options: &Options, folder: &Path) -> anyhow::Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (machine, pairs) = (measure::machine::describe(folder)?, options.pairs);
    let command = format!("cargo bench --bench fleet -- {}", arguments.join(" "));
    Ok(format!(
        "```\n{machine}\n{}\npairs: {pairs}; medians, with the range\n```\n",
        command.trim_end_matches([' ', '-'])
    ))
}

/// The tables and the plot, where they are wanted.
fn written(bench: &Bench, head: &str) -> anyhow::Result<()> {
    if let Some(path) = &bench.options.table {
        let parts =
            bench.sections.iter().map(ToString::to_string).chain(bench.notes.iter().map(|note| format!("{note}\n")));
        fs::write(path, format!("{head}\n{}", parts.collect::<Vec<_>>().join("\n")))?;
    }
    if let Some(path) = bench.options.plot() {
        let pairs = bench.options.pairs;
        let said =
            format!("Pairs: {pairs}. Bars are medians, the thin lines the range, the yellow marks what is wanted.");
        fs::write(&path, plot::svg(&bench.sections, &said))?;
        print(&format!("{} shows it", path.display()));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn print(text: &str) {
    println!("{text}");
}
