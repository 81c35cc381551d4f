//! `callvault` as a process of its own, with a simulated Twilio: started, waited for, measured, ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use simulator::{Simulator, SimulatorConfig};

use crate::measure::callbacks::{ACCOUNT, CALLBACK_URL, Callbacks, PUBLIC_BASE_URL, TOKEN};
use crate::measure::usage::{self, Resident};

const START_PATIENCE: Duration = Duration::from_secs(20);

/// A folder of data, a simulated Twilio, and `callvault` at work on both. Dropped, all of it is gone.
pub(crate) struct Fleet {
    child: Child,
    pub(crate) twilio: Simulator,
    pub(crate) address: SocketAddr,
    settings: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts `callvault` with this subcommand in a new folder under `folder`, and waits until it is ready. Settings
    /// are the defaults but for addresses, places and `more`.
    pub(crate) async fn start(folder: &Path, subcommand: &str, more: &[(&'static str, &str)]) -> anyhow::Result<Fleet> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
        // Free a moment ago: Twilio has to know the address before callvault is there.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let twilio = Simulator::start(SimulatorConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            account_sid: ACCOUNT.parse()?,
            auth_token: TOKEN.into(),
            callback_url: Some(format!("{CALLBACK_URL}#rc=5&rp=5xx,ct,rt").parse()?),
            callback_target: Some(address),
            seed: 7,
        });
        let twilio = twilio.await?;
        let mut settings = settings(folder.path(), address, twilio.url().as_str());
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let child = command(&settings, &[subcommand]).stderr(File::create(log(folder.path()))?).spawn()?;
        let mut fleet = Fleet { child, twilio, address, settings, folder };
        fleet.until_ready().await?;
        Ok(fleet)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let (url, began) = (format!("http://{}/readyz", self.address), Instant::now());
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            self.check_alive()?;
            ensure!(began.elapsed() < START_PATIENCE, "callvault not ready after {START_PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Callbacks of recordings made now.
    #[expect(clippy::disallowed_methods, reason = "as a process with the system's clock sees it")]
    pub(crate) fn callbacks(&self) -> Callbacks {
        Callbacks { twilio: self.twilio.clone(), started_at: chrono::Utc::now() }
    }

    /// Fails where the process has ended, with its last words.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = fs::read_to_string(log(self.folder.path())).unwrap_or_default();
        bail!("callvault ended ({status}): {}", log.lines().last().unwrap_or_default())
    }

    /// Another `callvault` on the same data: its JSON lines.
    pub(crate) async fn json(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut command = command(&self.settings, arguments);
        let output = tokio::task::spawn_blocking(move || command.arg("--json").output()).await??;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        text.lines().map(|line| serde_json::from_str(line).context("a line that is no JSON")).collect()
    }

    /// Resident memory in MiB: the most since the start, and now.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<Resident> {
        usage::resident_mib(self.child.id())
    }

    /// Processor seconds used so far, in user and kernel mode.
    pub(crate) fn cpu_secs(&self) -> anyhow::Result<f64> {
        usage::cpu_secs(self.child.id())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(settings: &[(&'static str, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
    command.args(arguments).env_clear().envs(settings.iter().map(|(name, value)| (*name, value)));
    command
}

fn log(folder: &Path) -> PathBuf {
    folder.join("callvault.log")
}

fn settings(folder: &Path, address: SocketAddr, twilio_url: &str) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
        ("TWILIO_API_URL", twilio_url.to_owned()),
        ("PUBLIC_BASE_URL", PUBLIC_BASE_URL.to_owned()),
        ("LISTEN_ADDR", address.to_string()),
        ("QUEUE_URL", format!("sqlite:{}", path("queue.db"))),
        ("DATABASE_URL", format!("sqlite:{}", path("catalog.db"))),
        ("RECORDINGS_BUCKET", format!("file:{}", path("vault"))),
        ("TRANSCRIPTION_PROVIDER", "deepgram".to_owned()),
        ("DEEPGRAM_API_KEY", "simulated".to_owned()),
        ("DEEPGRAM_API_URL", twilio_url.to_owned()),
    ]
}
