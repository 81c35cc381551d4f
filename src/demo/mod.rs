//! `callvault demo`: the main job from a signed callback to the retention delete, against the simulator, then the proof.

mod calls;
mod proof;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use catalog::{Catalog, Status};
use chrono::{DateTime, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use queue::Clock;
use serde::{Deserialize, Serialize};
use simulator::{Simulator, SimulatorConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use workers::{ReconcileWindow, SweepMode};

use crate::cli::{DemoOptions, LogFormat};
use crate::config::Config;
use crate::output::Output;
use crate::serve::{serve, until_told_to_stop};
use crate::settings::Environment;
use crate::simulate::{ACCOUNT_SID, AUTH_TOKEN};
use crate::{telemetry, wiring};

/// Longest time without any recording moving on before the demo gives up.
const STANDSTILL: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const DAYS_OF_LISTING: i64 = 60;

/// What a demo that goes on must know of its first run: the simulator remembers nothing.
#[derive(Serialize, Deserialize)]
struct Beginning {
    calls: u32,
    began_at: DateTime<Utc>,
}

pub(crate) async fn run(options: &DemoOptions, log_format: &LogFormat, output: Output) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(log_format, "error", None)?;
    let temporary = tempfile::tempdir().context("no temporary folder: name one with --data-dir")?;
    let folder = options.data_dir.as_deref().unwrap_or(temporary.path());
    let beginning = beginning(folder, options.calls)?;
    let told_to_stop = until_told_to_stop();
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
    let simulator = simulator(&listener).await?;
    let config = config(folder, &simulator)?;
    let catalog = wiring::catalog(&config).await?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (config, shutdown) = (config.clone(), shutdown.clone());
        async move { serve(&config, listener, shutdown).await }
    });
    let proven = tokio::select! {
        proven = play(&config, &catalog, &simulator, &beginning) => proven,
        () = told_to_stop.cancelled() => bail!("stopped before the end; run it again with the same --data-dir to go on"),
    };
    let proof = proven?;
    output.document(&proof, |proof| proof.text(folder))?;
    if options.keep_running && !told_to_stop.is_cancelled() {
        let url = simulator.url();
        output.document(&serde_json::json!({ "simulator": url.as_str() }), |_| {
            format!("still serving; Twilio is simulated at {url}. Ctrl-C ends it.")
        })?;
        told_to_stop.cancelled().await;
    }
    shutdown.cancel();
    serving.await.context("serve ended badly")??;
    simulator.stop().await;
    Ok(if proof.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn beginning(folder: &Path, calls: u32) -> anyhow::Result<Beginning> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("demo.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let beginning: Beginning = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let began = beginning.calls;
        ensure!(
            began == calls,
            "{} holds a demo of {began} calls: use --calls {began}, or another folder",
            folder.display()
        );
        return Ok(beginning);
    }
    let beginning = Beginning { calls, began_at: Clock::System.now() };
    // Renamed into place: a demo that is killed here begins anew.
    let unfinished = folder.join("demo.json.new");
    std::fs::write(&unfinished, serde_json::to_string(&beginning)?)?;
    std::fs::rename(&unfinished, &path)?;
    Ok(beginning)
}

async fn simulator(listener: &TcpListener) -> anyhow::Result<Simulator> {
    let config = SimulatorConfig {
        listen: "127.0.0.1:0".parse()?,
        account_sid: ACCOUNT_SID.parse()?,
        auth_token: AUTH_TOKEN.into(),
        // The name is never looked up: signatures are over it, connections go to the listener.
        callback_url: Some("https://voice.example.com/webhooks/recording#rc=5&rp=5xx,ct,rt".parse()?),
        callback_target: Some(listener.local_addr()?),
        seed: 1,
    };
    Simulator::start(config).await.context("cannot start the simulator")
}

fn config(folder: &Path, simulator: &Simulator) -> anyhow::Result<Config> {
    let folder = folder.canonicalize()?;
    let path = |name: &str| -> PathBuf { folder.join(name) };
    let url = simulator.url().to_string();
    let settings = [
        ("TWILIO_ACCOUNT_SID", ACCOUNT_SID.to_owned()),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
        ("TWILIO_API_URL", url.clone()),
        ("PUBLIC_BASE_URL", "https://voice.example.com".to_owned()),
        ("QUEUE_URL", format!("sqlite:{}", path("queue.db").display())),
        ("QUEUE_LEASE_SECS", "10".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", path("catalog.db").display())),
        ("RECORDINGS_BUCKET", format!("file:{}", path("vault").display())),
        ("TRANSCRIPTION_PROVIDER", "deepgram".to_owned()),
        ("DEEPGRAM_API_KEY", "simulated".to_owned()),
        ("DEEPGRAM_API_URL", url),
        // The demo runs its own sweeps, at the right moment.
        ("RETENTION_EVERY_SECS", "86400".to_owned()),
        ("RECONCILE_EVERY_SECS", "86400".to_owned()),
        ("TWILIO_REQUESTS_PER_SECOND", "1000".to_owned()),
    ];
    Ok(Config::load(None, &settings.into_iter().collect::<Environment>())?)
}

async fn play(
    config: &Config,
    catalog: &Catalog,
    simulator: &Simulator,
    beginning: &Beginning,
) -> anyhow::Result<proof::Proof> {
    let plans = calls::plans(beginning.calls, beginning.began_at);
    calls::restore(simulator, catalog, &plans).await?;
    let progress = progress(beginning.calls);
    progress.set_message("calls placed, callbacks sent");
    calls::place(simulator, plans).await?;
    progress.set_message("archived and transcribed");
    // SIP trunk recordings have no callback: Twilio's list is where they are found.
    let queue = wiring::queue(config).await?;
    let now = Clock::System.now();
    let window = ReconcileWindow { since: Some((now - TimeDelta::days(DAYS_OF_LISTING)).date_naive()), until: None };
    wiring::reconciler(config, &queue, catalog, SweepMode::Regular)?.run(window, now).await?;
    settle(catalog, &progress, u64::from(beginning.calls), |counts| {
        counts
            .iter()
            .filter(|(status, _)| **status != Status::Received && **status != Status::Archived)
            .map(|(_, n)| n)
            .sum()
    })
    .await?;
    progress.set_message("past their date deleted");
    calls::hold_one(simulator, catalog).await?;
    workers::retention_sweep(catalog, queue.as_ref(), &config.policy, now, SweepMode::Regular).await?;
    let due = catalog.overdue(&config.policy, now).await?;
    progress.set_length(due);
    wait(&progress, due, async || Ok(due - catalog.overdue(&config.policy, now).await?.min(due))).await?;
    progress.finish_and_clear();
    proof::prove(config, catalog, simulator).await
}

/// Waits until every recording has come to rest.
async fn settle(
    catalog: &Catalog,
    progress: &ProgressBar,
    all: u64,
    settled: impl Fn(&BTreeMap<Status, u64>) -> u64,
) -> anyhow::Result<()> {
    wait(progress, all, async || Ok(settled(&catalog.counts().await?))).await
}

async fn wait(progress: &ProgressBar, all: u64, done: impl AsyncFn() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let (mut last, mut moved_at) = (u64::MAX, std::time::Instant::now());
    loop {
        let now = done().await?;
        progress.set_position(now.min(all));
        if now >= all {
            return Ok(());
        }
        if now != last {
            (last, moved_at) = (now, std::time::Instant::now());
        }
        ensure!(
            moved_at.elapsed() < STANDSTILL,
            "{now} of {all} after {STANDSTILL:?} without movement: see RUST_LOG=info"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn progress(calls: u32) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::from(calls)).with_style(style)
}
