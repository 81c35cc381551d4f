//! How many recordings a second one worker deletes, each seen to be gone before it is written down. Callvault's alone.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::archive::{Load, archived, batch};
use crate::bench::Bench;
use crate::contender::{Contender, Who};
use crate::side::{Role, Side};

/// A purge moves no bytes: many at once cost a worker little.
const LOAD: Load = Load { recordings: 5_000, bytes: 2_000, concurrency: 64 };
/// Past callvault's default of 30 days.
const OLDER_BY_DAYS: u64 = 31;
const PATIENCE: Duration = Duration::from_secs(300);
/// Each look costs a process of psql's.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[expect(clippy::print_stdout, reason = "the answer of this program")]
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let mut table = "### Purge: recordings past their date\n\n\
         | deleted | recordings | a second | the worker's CPU, ms each | the S3 server's | RabbitMQ's and \
         PostgreSQL's | bytes of catalog that stay of each |\n\
         |---|---|---|---|---|---|---|\n"
        .to_owned();
    for (what, is_twilios_gone) in [("ours, Twilio's gone before", true), ("ours and Twilio's", false)] {
        writeln!(table, "| {what} {}", purged(bench, is_twilios_gone).await?)?;
    }
    println!("{table}");
    bench.notes.push(table);
    Ok(())
}

/// Archives them, makes them old, queues their deletion, and then starts the worker that deletes them.
async fn purged(bench: &mut Bench, is_twilios_gone: bool) -> anyhow::Result<String> {
    let load = Load { recordings: bench.options.count(LOAD.recordings), ..LOAD };
    let empty = catalog_bytes(bench)?;
    let batch = batch(bench, load.recordings, load.bytes);
    let mut contender = Contender::start(bench, Who::Side(Side::Callvault), load.concurrency).await?;
    archived(bench, &mut contender, &batch).await?;
    while count(bench, "status <> 'archived'")? > 0 {
        contender.check_alive()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    drop(contender);
    age(bench, is_twilios_gone)?;
    bench.programs.run(&bench.engines, &["retention"])?;
    let servers = bench.engines.cpu()?;
    let role = Role::Worker { concurrency: load.concurrency };
    // From its start on: it is at work before it can be seen to be ready.
    let began = Instant::now();
    let mut worker = bench.programs.start(&bench.engines, Side::Callvault, role).await?;
    let left = "status <> 'deleted'";
    while count(bench, left)? > 0 {
        worker.check_alive()?;
        ensure!(began.elapsed() < PATIENCE, "{} are left after {PATIENCE:?}", count(bench, left)?);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (secs, cpu) = (began.elapsed().as_secs_f64(), worker.cpu_secs()?);
    let servers_after = bench.engines.cpu()?;
    drop(worker);
    bench.engines.postgres.sql("callvault", "VACUUM FULL")?;
    let stays = (catalog_bytes(bench)? - empty) / load.recordings as f64;
    bench.engines.forget().await?;
    let each_ms = |secs: f64| secs * 1000.0 / load.recordings as f64;
    Ok(format!(
        "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {stays:.0} |",
        load.recordings,
        load.recordings as f64 / secs,
        each_ms(cpu),
        each_ms(servers_after.s3 - servers.s3),
        each_ms(servers_after.rabbitmq_and_postgres - servers.rabbitmq_and_postgres)
    ))
}

fn catalog_bytes(bench: &Bench) -> anyhow::Result<f64> {
    Ok(bench.engines.postgres.sql("callvault", "SELECT pg_database_size('callvault')")?.trim().parse()?)
}

fn count(bench: &Bench, which: &str) -> anyhow::Result<u64> {
    let count = format!("SELECT count(*) FROM recordings WHERE {which}");
    Ok(bench.engines.postgres.sql("callvault", &count)?.trim().parse()?)
}

/// As if they had been recorded so long ago.
fn age(bench: &Bench, is_twilios_gone: bool) -> anyhow::Result<()> {
    let by_ms = OLDER_BY_DAYS * 86_400_000;
    let twilios = if is_twilios_gone { ", twilio_deleted_at = archived_at" } else { "" };
    let older = format!(
        "UPDATE recordings SET started_at = started_at - {by_ms}, received_at = received_at - {by_ms}, \
         archived_at = archived_at - {by_ms}{twilios}"
    );
    bench.engines.postgres.sql("callvault", &older).map(drop)
}
