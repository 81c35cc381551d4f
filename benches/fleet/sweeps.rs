//! The retention sweep: that it costs what is due, and not what is stored. Callvault's alone.

use std::fmt::Write;
use std::time::Instant;

use anyhow::ensure;

use crate::bench::Bench;
use crate::engines::Engines;

const STORED: [u64; 3] = [100_000, 1_000_000, 10_000_000];
const DUE: u64 = 10_000;
/// callvault's default.
const RETENTION_DAYS: u64 = 30;
/// Over how many days those that are not due are spread.
const SPREAD_DAYS: u64 = 29;

/// What one catalog came to, in milliseconds.
struct Swept {
    stored: u64,
    dry_run_ms: f64,
    sweep_ms: f64,
    nothing_left_ms: f64,
    page_ms: f64,
}

#[expect(clippy::print_stdout, reason = "the answer of this program")]
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let mut table = format!(
        "### Retention sweep: {DUE} due\n\n\
         | stored | `retention --dry-run`, ms | `retention`, all published and confirmed, ms | `retention` once more, \
         ms | the first page, in PostgreSQL, ms |\n|---|---|---|---|---|\n"
    );
    for stored in STORED.map(|stored| bench.options.count(stored).max(DUE * 2)) {
        let Swept { stored, dry_run_ms, sweep_ms, nothing_left_ms, page_ms } = swept(bench, stored).await?;
        writeln!(table, "| {stored} | {dry_run_ms:.0} | {sweep_ms:.0} | {nothing_left_ms:.0} | {page_ms:.1} |")?;
        println!("{table}");
    }
    bench.notes.push(table);
    Ok(())
}

async fn swept(bench: &mut Bench, stored: u64) -> anyhow::Result<Swept> {
    bench.engines.forget().await?;
    fill(&bench.engines, stored)?;
    let dry_run_ms = retention(bench, &["--dry-run"], DUE)?;
    let page_ms = first_page(&bench.engines)?;
    let sweep_ms = retention(bench, &[], DUE)?;
    let nothing_left_ms = retention(bench, &[], 0)?;
    bench.engines.forget().await?;
    Ok(Swept { stored, dry_run_ms, sweep_ms, nothing_left_ms, page_ms })
}

/// Recordings as they are in life: archived and transcribed, the oldest of them past their date.
fn fill(engines: &Engines, stored: u64) -> anyhow::Result<()> {
    let due_days = RETENTION_DAYS + 1;
    let day_ms = 86_400_000;
    engines.postgres.sql(
        "callvault",
        &format!(
            "INSERT INTO recordings (recording_sid, account_sid, status, twilio_status, source, channels, duration_secs, \
             started_at, received_at, media_state, media_format, media_object, media_bytes, media_sha256, \
             media_sealed_bytes, media_channels, media_duration_secs, archived_at, has_transcripts, updated_at) \
             SELECT 'RE' || md5(n::text), 'AC' || md5('1'), 'transcribed', 'completed', 'DialVerb', 2, 120, \
             at, at, 'stored', 'wav', 'recordings/AC/2026/01/31/RE' || md5(n::text) || '.wav.age', 1920044, \
             md5(n::text) || md5(n::text), 1921000, 2, 120.0, at, 1, at \
             FROM (SELECT n, (extract(epoch FROM now()) * 1000)::bigint - CASE WHEN n <= {DUE} \
             THEN {due_days} * {day_ms}::bigint + n ELSE (n * 7919) % ({SPREAD_DAYS} * {day_ms}::bigint) END AS at \
             FROM generate_series(1, {stored}::bigint) AS n) AS recordings"
        ),
    )?;
    engines.postgres.sql("callvault", "VACUUM ANALYZE recordings").map(drop)
}

/// Runs the sweep, which has to find so many, and tells how long it took, its start included.
fn retention(bench: &Bench, options: &[&str], due: u64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let said = bench.programs.run(&bench.engines, &[&["retention", "--json"], options].concat())?;
    let took = began.elapsed();
    let report: serde_json::Value = serde_json::from_str(said.trim())?;
    ensure!(report["due"] == due, "{due} were due: {report}");
    Ok(took.as_secs_f64() * 1000.0)
}

/// The statement of a page, as PostgreSQL times it; what it changed is taken back.
fn first_page(engines: &Engines) -> anyhow::Result<f64> {
    let plan = engines.postgres.sql(
        "callvault",
        &format!(
            "BEGIN; EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON) \
             WITH taken AS MATERIALIZED (SELECT recording_sid FROM recordings \
             WHERE status NOT IN ('absent', 'deleted') AND audio_deleted_at IS NULL AND is_held = 0 \
             AND retention_from <= (extract(epoch FROM now()) * 1000)::bigint - {RETENTION_DAYS} * 86400000::bigint \
             AND retention_from >= 0 AND (retention_from > 0 OR recording_sid > '') AND purge_queued_at IS NULL \
             ORDER BY retention_from, recording_sid LIMIT 500 FOR UPDATE SKIP LOCKED) \
             UPDATE recordings SET purge_queued_at = 1 WHERE recording_sid IN (SELECT recording_sid FROM taken); ROLLBACK"
        ),
    )?;
    let time = plan.lines().find_map(|line| line.trim().strip_prefix("Execution Time: ")?.strip_suffix(" ms"));
    Ok(time.unwrap_or_default().parse()?)
}
