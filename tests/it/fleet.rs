//! The harness: a simulated Twilio in this process, and `callvault` as processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simulator::{Simulator, SimulatorConfig};

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TOKEN: &str = "e2e-token";
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of data, a simulator, and the settings that join them.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) twilio: Simulator,
    pub(crate) settings: Vec<(&'static str, String)>,
    port: u16,
}

/// A `callvault serve` that is killed when dropped.
pub(crate) struct Serving(Child);

impl Serving {
    /// SIGKILL: no last word.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Fleet {
    pub(crate) async fn new() -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago; the same one for every restart, as behind a proxy.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let twilio = Simulator::start(SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            account_sid: ACCOUNT.parse().unwrap(),
            auth_token: TOKEN.into(),
            callback_url: Some("https://voice.example.com/webhooks/recording#rc=5&rp=5xx,ct,rt".parse().unwrap()),
            callback_target: Some(SocketAddr::from(([127, 0, 0, 1], port))),
            seed: 7,
        });
        let twilio = twilio.await.unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let url = twilio.url().to_string();
        let settings = vec![
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
            ("TWILIO_API_URL", url.clone()),
            ("TWILIO_REQUESTS_PER_SECOND", "1000".to_owned()),
            ("PUBLIC_BASE_URL", "https://voice.example.com".to_owned()),
            ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
            ("QUEUE_URL", format!("sqlite:{}", path("queue.db"))),
            ("QUEUE_LEASE_SECS", "2".to_owned()),
            ("DATABASE_URL", format!("sqlite:{}", path("catalog.db"))),
            ("RECORDINGS_BUCKET", format!("file:{}", path("vault"))),
            ("TRANSCRIPTION_PROVIDER", "deepgram".to_owned()),
            ("DEEPGRAM_API_KEY", "simulated".to_owned()),
            ("DEEPGRAM_API_URL", url),
            ("RECONCILE_EVERY_SECS", "2".to_owned()),
            ("RECONCILE_STUCK_AFTER_SECS", "5".to_owned()),
            ("CALLVAULT_ACTOR", "auditor".to_owned()),
        ];
        Fleet { folder, twilio, settings, port }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        command.args(arguments).env_clear().envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Starts `serve`, and waits until it is ready when `is_awaited`.
    pub(crate) async fn serve(&self, is_awaited: bool) -> Serving {
        let serving = Serving(self.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap());
        if is_awaited {
            let url = format!("http://127.0.0.1:{}/readyz", self.port);
            until("serve is ready", async || reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200)).await;
        }
        serving
    }

    /// Runs a subcommand to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a subcommand that would go on and on, and has to end all the same.
    pub(crate) async fn ended(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let output = command.stderr(Stdio::piped()).kill_on_drop(true).output();
        tokio::time::timeout(PATIENCE, output).await.expect("it should have ended").unwrap()
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

    /// Every file of the vault, by its key.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let root = self.folder.path().join("vault");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_owned())
                }
            }
        }
        found.sort();
        found
    }
}

/// Waits for a condition, and fails the test when it does not come true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
