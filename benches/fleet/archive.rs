//! Archive: from the first callback to the last object, beside a copy that encrypts nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use simulator::{CallPlan, MediaPlan};

use crate::bench::Bench;
use crate::contender::{Contender, Who};
use crate::presigned;
use crate::table::{Goal, Row, Runs, Section, Target};

const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between the last object and the last acknowledgement.
const SETTLE: Duration = Duration::from_millis(300);
/// Most bytes of a recording that is there to warm up.
const WARM_UP_BYTES: u64 = 1_000_000;

/// What is archived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) recordings: u64,
    pub(crate) bytes: u64,
    pub(crate) concurrency: u64,
}

/// The same recordings for whoever archives them.
pub(crate) struct Batch {
    pub(crate) bytes: u64,
    /// Their callbacks.
    pub(crate) requests: Vec<Vec<u8>>,
    /// Where each is, and where its copy goes.
    pub(crate) copies: Vec<String>,
}

/// What one run came to.
pub(crate) struct Archived {
    per_second: f64,
    pub(crate) mb_per_second: f64,
    cpu_secs: f64,
    pub(crate) cpu_per_gb: f64,
    per_cpu_second: f64,
    pub(crate) peak_mib: f64,
    s3_cpu_per_gb: f64,
    broker_cpu_per_gb: f64,
}

/// Recordings of one length. A tenth of them with `--few`.
pub(crate) async fn measure(bench: &mut Bench, load: Load) -> anyhow::Result<()> {
    let load = Load { recordings: bench.options.count(load.recordings), ..load };
    let Load { recordings, bytes, concurrency } = load;
    let (runs, length) = (runs(bench, load).await?, length(bytes));
    let title = format!("Archive: {recordings} recordings of {length}, {concurrency} at once");
    let is_small = bytes < WARM_UP_BYTES;
    bench.tell(Section { title, rows: if is_small { small_rows(&runs) } else { rows(&runs) } });
    Ok(())
}

/// A recording's, as it is told.
pub(crate) fn length(bytes: u64) -> String {
    if bytes >= 1_000_000 { format!("{} MB", bytes / 1_000_000) } else { format!("{} KB", bytes / 1_000) }
}

fn rows(runs: &Runs<Archived>) -> Vec<Row> {
    vec![
        Row::new("MB a second", Goal::More, 1).target(Target::OfBare(0.85)).of(runs, |run| run.mb_per_second),
        Row::new("CPU seconds a GB", Goal::Less, 2)
            .target(Target::OfBaseline(1.0 / 3.0))
            .of(runs, |run| run.cpu_per_gb),
        Row::new("CPU seconds in all", Goal::Less, 2).aside().of(runs, |run| run.cpu_secs),
        Row::new("most resident memory, MiB", Goal::Less, 1)
            .target(Target::OfBaseline(0.25))
            .of(runs, |run| run.peak_mib),
        Row::new("the S3 server's CPU seconds a GB", Goal::Less, 2).aside().of(runs, |run| run.s3_cpu_per_gb),
        Row::new("RabbitMQ's and PostgreSQL's CPU seconds a GB", Goal::Less, 2)
            .aside()
            .of(runs, |run| run.broker_cpu_per_gb),
    ]
}

fn small_rows(runs: &Runs<Archived>) -> Vec<Row> {
    vec![
        Row::new("recordings a second", Goal::More, 0).of(runs, |run| run.per_second),
        Row::new("recordings for a CPU second", Goal::More, 0)
            .target(Target::Itself(300.0))
            .of(runs, |run| run.per_cpu_second),
        Row::new("most resident memory, MiB", Goal::Less, 1).of(runs, |run| run.peak_mib),
        Row::new("the S3 server's CPU seconds a GB", Goal::Less, 2).aside().of(runs, |run| run.s3_cpu_per_gb),
        Row::new("RabbitMQ's and PostgreSQL's CPU seconds a GB", Goal::Less, 2)
            .aside()
            .of(runs, |run| run.broker_cpu_per_gb),
    ]
}

async fn runs(bench: &mut Bench, load: Load) -> anyhow::Result<Runs<Archived>> {
    let mut runs = Runs::default();
    for sides in bench.alternating().chunks(2) {
        let batches = batches(bench, load)?;
        for side in sides {
            runs.push(*side, run(bench, Who::Side(*side), load, &batches).await?);
        }
        runs.bare.push(run(bench, Who::Bare, load, &batches).await?);
    }
    Ok(runs)
}

/// What warms up, and what is measured.
pub(crate) fn batches(bench: &mut Bench, load: Load) -> anyhow::Result<[Batch; 2]> {
    ensure_disk(&bench.engines.folder, load.recordings * load.bytes)?;
    let warm_up = batch(bench, load.concurrency, load.bytes.min(WARM_UP_BYTES));
    Ok([warm_up, batch(bench, load.recordings, load.bytes)])
}

/// The S3 server holds parts and the object made of them for a moment; the rest is for whatever else writes there.
fn ensure_disk(folder: &Path, bytes: u64) -> anyhow::Result<()> {
    let disk = rustix::fs::statvfs(folder)?;
    let (free, needed) = (disk.f_bavail * disk.f_frsize, 2 * bytes + 1_000_000_000);
    ensure!(free >= needed, "{} MB of disk are needed, {} MB are free", needed / 1_000_000, free / 1_000_000);
    Ok(())
}

/// Recordings that nobody has archived yet.
#[expect(clippy::disallowed_methods, reason = "as a server with the system's clock sees it")]
pub(crate) fn batch(bench: &mut Bench, recordings: u64, bytes: u64) -> Batch {
    let (callbacks, first) = (bench.engines.callbacks(), bench.indices(recordings));
    let (now, s3) = (chrono::Utc::now(), bench.engines.s3.address());
    let mut batch = Batch { bytes, requests: Vec::new(), copies: Vec::new() };
    for index in first..first + recordings {
        let nth = CallPlan::nth(index, callbacks.started_at);
        let plan = CallPlan { media: MediaPlan::Synthetic { bytes }, source: "RecordVerb", ..nth };
        let recording = callbacks.twilio.add_recording(plan.clone());
        let (account, sid) = (recording.account_sid, recording.recording_sid);
        let media = format!("{}2010-04-01/Accounts/{account}/Recordings/{sid}.wav", callbacks.twilio.url());
        let put = presigned::put_url(s3, &format!("/bare/recordings/{sid}.wav"), now);
        batch.copies.push(format!("{media} {put}\n"));
        batch.requests.push(callbacks.request_of(plan));
    }
    batch
}

/// Archives them with programs that were just started; afterwards nothing is left of them.
pub(crate) async fn run(
    bench: &mut Bench,
    who: Who,
    load: Load,
    [warm_up, batch]: &[Batch; 2],
) -> anyhow::Result<Archived> {
    let mut contender = Contender::start(bench, who, load.concurrency).await?;
    archived(bench, &mut contender, warm_up).await?;
    let (cpu, servers) = (contender.cpu_secs()?, bench.engines.cpu()?);
    let secs = archived(bench, &mut contender, batch).await?.as_secs_f64();
    let (cpu, servers_after) = (contender.cpu_secs()? - cpu, bench.engines.cpu()?);
    let peak_mib = contender.peak_mib()?;
    drop(contender);
    bench.engines.forget().await?;
    let recordings = load.recordings as f64;
    let gb = recordings * load.bytes as f64 / 1e9;
    Ok(Archived {
        per_second: recordings / secs,
        mb_per_second: gb * 1000.0 / secs,
        cpu_secs: cpu,
        cpu_per_gb: cpu / gb,
        per_cpu_second: recordings / cpu,
        peak_mib,
        s3_cpu_per_gb: (servers_after.s3 - servers.s3) / gb,
        broker_cpu_per_gb: (servers_after.rabbitmq_and_postgres - servers.rabbitmq_and_postgres) / gb,
    })
}

/// Hands over a batch and waits until all of it is stored, none shorter than its media; how long that took. Returns
/// when what follows the last object is done too.
pub(crate) async fn archived(bench: &mut Bench, contender: &mut Contender, batch: &Batch) -> anyhow::Result<Duration> {
    let began = Instant::now();
    contender.take(batch).await?;
    let (mut objects, mut last) = (BTreeSet::new(), began);
    while objects.len() < batch.requests.len() {
        contender.check_alive()?;
        let (whole, all) = (objects.len(), batch.requests.len());
        ensure!(began.elapsed() < PATIENCE, "{whole} of {all} recordings are stored after {PATIENCE:?}");
        let Some(stored) = bench.engines.s3.stored(LOOK_EVERY).await else { continue };
        if stored.path.contains("/recordings/") && objects.insert(stored.path) {
            last = stored.at;
        }
    }
    for object in &objects {
        let length = bench.engines.s3.length(object)?;
        ensure!(length >= batch.bytes, "{object} has {length} bytes, its recording {}", batch.bytes);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(last - began)
}
