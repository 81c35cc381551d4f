//! The harness: a simulated Twilio in this process, and `callvault` as processes.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use simulator::{CallPlan, SimulatedRecording, Simulator, SimulatorConfig};

use crate::engines::Servers;
pub(crate) use crate::free_port::free_port;

pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN: &str = "e2e-token";
/// Many times what anything takes on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(180);
/// The roles that show health and metrics at METRICS_ADDR.
const HAVE_METRICS_ADDR: [&str; 3] = ["worker", "retention", "reconcile"];

/// A folder of data, a simulator, and the settings that join them.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) twilio: Simulator,
    pub(crate) settings: Vec<(&'static str, String)>,
    /// None on embedded engines.
    pub(crate) servers: Option<Servers>,
    /// The folder with a file for each object, wherever its store keeps it.
    pub(crate) vault: &'static str,
    pub(crate) port: u16,
    /// Of the workers and sweeps started so far.
    metrics_pages: Mutex<Vec<String>>,
}

/// A `callvault` that runs until it is stopped, and is killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// SIGKILL: no last word.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, as a service manager sends it; the exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.ended()
    }

    /// Waits until it ends by itself; the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Fleet {
    /// On embedded engines.
    pub(crate) async fn new() -> Fleet {
        Fleet::with_token(TOKEN).await
    }

    /// The account has this auth token.
    pub(crate) async fn with_token(token: &str) -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        // The same one for every restart, as behind a proxy.
        let port = free_port();
        let twilio = Simulator::start(SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            account_sid: ACCOUNT.parse().unwrap(),
            auth_token: token.into(),
            callback_url: Some("https://voice.example.com/webhooks/recording#rc=5&rp=5xx,ct,rt".parse().unwrap()),
            callback_target: Some(SocketAddr::from(([127, 0, 0, 1], port))),
            seed: 7,
        });
        let twilio = twilio.await.unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let url = twilio.url().to_string();
        let settings = vec![
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", token.to_owned()),
            ("TWILIO_API_URL", url.clone()),
            ("TWILIO_REQUESTS_PER_SECOND", "1000".to_owned()),
            ("PUBLIC_BASE_URL", "https://voice.example.com".to_owned()),
            ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
            ("QUEUE_URL", format!("sqlite:{}", path("queue.db"))),
            ("QUEUE_LEASE_SECS", "30".to_owned()),
            ("DATABASE_URL", format!("sqlite:{}", path("catalog.db"))),
            ("RECORDINGS_BUCKET", format!("file:{}", path("vault"))),
            ("TRANSCRIPTION_PROVIDER", "deepgram".to_owned()),
            ("DEEPGRAM_API_KEY", "simulated".to_owned()),
            ("DEEPGRAM_API_URL", url),
            ("RECONCILE_EVERY_SECS", "2".to_owned()),
            ("RECONCILE_STUCK_AFTER_SECS", "60".to_owned()),
            ("CALLVAULT_ACTOR", "auditor".to_owned()),
        ];
        Fleet { folder, twilio, settings, servers: None, vault: "vault", port, metrics_pages: Mutex::default() }
    }

    /// A setting for every process from here on; an empty value unsets it.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.into()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `callvault` with these arguments, and nothing but the fleet's settings as its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.wrapped(env!("CARGO_BIN_EXE_callvault"), arguments)
    }

    fn wrapped(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Starts a subcommand that runs on; what it says goes into [`Fleet::log`].
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let is_set = self.settings.iter().any(|(name, _)| *name == "METRICS_ADDR");
        if !HAVE_METRICS_ADDR.contains(&arguments[0]) || is_set {
            return self.start_with(arguments, &[]);
        }
        // The default port is for the test of what becomes of a worker that finds it taken.
        let address = format!("127.0.0.1:{}", free_port());
        self.metrics_pages.lock().unwrap().push(format!("http://{address}/metrics"));
        self.start_with(arguments, &[("METRICS_ADDR", address)])
    }

    /// As [`Fleet::start`], with settings of its own.
    pub(crate) fn start_with(&self, arguments: &[&str], settings: &[(&str, String)]) -> Running {
        let mut command = self.command(arguments);
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        self.spawn(command)
    }

    /// As [`Fleet::start`], where no file can grow beyond `kib`: to whoever writes, a disk that is full.
    pub(crate) fn start_on_small_disk(&self, arguments: &[&str], kib: u32) -> Running {
        // A shell counts in blocks of 512 bytes; without the trap the signal would end the process.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kib * 2);
        let command = ["-c", &script, "sh", env!("CARGO_BIN_EXE_callvault")];
        self.spawn(self.wrapped("/bin/sh", &[&command, arguments].concat()))
    }

    fn spawn(&self, mut command: Command) -> Running {
        let log = File::options().append(true).create(true).open(self.path("callvault.log")).unwrap();
        Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// All that started processes said on stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("callvault.log")).unwrap_or_default()
    }

    /// Whether one line of the log has all of these words in it.
    pub(crate) fn logged(&self, words: &[&str]) -> bool {
        self.log().lines().any(|line| words.iter().all(|word| line.contains(word)))
    }

    /// Starts `serve`, and waits until it is ready when `is_awaited`.
    pub(crate) async fn serve(&self, is_awaited: bool) -> Running {
        let serving = self.start(&["serve"]);
        if is_awaited {
            self.ready().await;
        }
        serving
    }

    /// Serves, and hears of recordings by their callbacks alone: a pass of reconcile may find one before its callback is
    /// there, and queue what is queued already.
    pub(crate) async fn serve_by_callbacks(&mut self) -> Running {
        self.set("RECONCILE_EVERY_SECS", "3600");
        let serving = self.serve(true).await;
        until("the first pass is over", async || self.logged(&["reconcile pass"])).await;
        serving
    }

    /// Waits until the sweep that `serve` begins with is over: it would take what is past its date already.
    pub(crate) async fn swept(&self) {
        until("the first sweep is over", async || self.logged(&["retention sweep"])).await;
    }

    pub(crate) async fn ready(&self) {
        until("it is ready", async || self.get("/readyz").await == 200).await;
    }

    /// The status of a route of ingest; 0 where nobody answers.
    pub(crate) async fn get(&self, route: &str) -> u16 {
        let answer = reqwest::get(self.ingest_url(route)).await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    pub(crate) fn ingest_url(&self, route: &str) -> String {
        format!("http://127.0.0.1:{}{route}", self.port)
    }

    /// Places a call, and returns its recording once its callbacks are done.
    pub(crate) async fn place(&self, plan: CallPlan) -> String {
        self.twilio.place_call(plan).await.recording_sid.to_string()
    }

    /// The recording as it truly is.
    pub(crate) fn truth(&self, sid: &str) -> SimulatedRecording {
        let all = self.twilio.recordings();
        all.into_iter().find(|recording| recording.recording_sid.as_str() == sid).unwrap()
    }

    /// Runs a subcommand to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// As [`Fleet::run`], for what might never end.
    pub(crate) async fn ended(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        output.unwrap_or_else(|_| panic!("{arguments:?} goes on and on")).unwrap()
    }

    /// Runs a subcommand that has to end by itself with this exit code, and returns what it said on stderr.
    pub(crate) async fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        let output = ended.expect("it ends by itself").unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{arguments:?}: {said}");
        said
    }

    /// Runs a subcommand with `--json` that has to succeed, and reads its lines.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn show(&self, sid: &str) -> Value {
        self.json(&["recordings", "show", sid]).remove(0)
    }

    /// Waits until every recording has come to one of these ends.
    pub(crate) async fn settled(&self, recordings: usize, ends: &[&str]) {
        until("every recording has come to its end", async || {
            let rows = self.json(&["recordings", "list", "--limit", "10000"]);
            rows.len() == recordings && rows.iter().all(|row| ends.contains(&row["status"].as_str().unwrap()))
        })
        .await;
    }

    /// How many messages of all stages are in one state: `ready`, `delayed`, `in_flight` (where the queue tells), `backfill`
    /// or `dead`.
    pub(crate) fn queued(&self, state: &str) -> u64 {
        self.json(&["queue", "status"]).iter().map(|stage| stage[state].as_u64().unwrap_or_default()).sum()
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn idle(&self) {
        // A job that is just being handed over is in neither count: two looks in a row find it.
        until("nothing is left to do", async || self.is_idle().await && self.is_idle().await).await;
    }

    async fn is_idle(&self) -> bool {
        let stages = self.json(&["queue", "status"]);
        let waits = |stage: &Value| {
            ["ready", "delayed", "in_flight", "backfill"].iter().any(|state| stage[state].as_u64() > Some(0))
        };
        !stages.iter().any(waits) && self.jobs_in_flight().await == 0
    }

    /// How many jobs the workers are at, by their own account: RabbitMQ does not tell what it handed out.
    async fn jobs_in_flight(&self) -> u64 {
        let mut pages = self.metrics_pages.lock().unwrap().clone();
        pages.push(self.ingest_url("/metrics"));
        let mut jobs = 0;
        for page in pages {
            // Who does not answer has ended.
            let Ok(answer) = reqwest::get(page).await else { continue };
            let text = answer.text().await.unwrap_or_default();
            let in_flight = text.lines().filter(|line| line.starts_with("callvault_jobs_in_flight{"));
            jobs += in_flight.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
        }
        jobs
    }

    /// Every file of the vault, by its key.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let mut keys = files(&self.path(self.vault));
        keys.sort();
        keys
    }
}

/// Every file below a folder, by its path from there.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(root).unwrap().to_owned()) }
        }
    }
    found
}

impl Drop for Fleet {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its processes said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// A variable that `scripts/with-test-servers` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run make test, which starts the servers"))
}

/// A time before now, as processes with the system's clock see it.
#[expect(clippy::disallowed_methods, reason = "recent calls, as seen by processes with the system's clock")]
pub(crate) fn ago(time: TimeDelta) -> DateTime<Utc> {
    Utc::now() - time
}

/// The `index`-th call of ten minutes ago.
pub(crate) fn call(index: u64) -> CallPlan {
    CallPlan::nth(index, ago(TimeDelta::minutes(10)))
}

/// Waits for a condition, and fails the test when it does not come true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    until_within(PATIENCE, what, is_so).await;
}

/// As [`until`], for what takes its time.
pub(crate) async fn until_within(limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        // Many a look is a process, on the cores of what is waited for: a long wait looks less often.
        let is_long = began.elapsed() > Duration::from_secs(30);
        tokio::time::sleep(Duration::from_millis(if is_long { 1_000 } else { 50 })).await;
    }
}
