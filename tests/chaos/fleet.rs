//! Our processes, and a service manager's part: what ends by itself is started again.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::clock::WallClock;
use crate::fault::Role;
use crate::free_port::free_port;
use crate::process::Process;

const LOOK_EVERY: Duration = Duration::from_millis(250);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
const COMMAND_PATIENCE: Duration = Duration::from_secs(180);

pub(crate) type Settings = BTreeMap<&'static str, String>;

/// One process, wanted or not.
struct Slot {
    port: u16,
    is_wanted: bool,
    process: Option<Process>,
}

pub(crate) struct Fleet {
    program: PathBuf,
    folder: PathBuf,
    settings: Settings,
    slots: BTreeMap<Role, Mutex<Slot>>,
    /// One for all: to make one reads every certificate of the system's.
    http: reqwest::Client,
    clocks: BTreeMap<Role, WallClock>,
    /// How each process that nobody told to end ended.
    ends: StdMutex<Vec<(Role, String)>>,
}

/// A service manager's part.
pub(crate) struct Supervisor(JoinHandle<()>);

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fleet {
    /// Nothing runs yet.
    pub(crate) fn new(program: &Path, folder: &Path, settings: Settings) -> anyhow::Result<Arc<Fleet>> {
        let slot = |role| (role, Mutex::new(Slot { port: free_port(), is_wanted: false, process: None }));
        let slots = Role::ALL.into_iter().map(slot).collect();
        let clock = |role: Role| Ok((role, WallClock::new(folder.join(format!("{}.clock", role.file_name())))?));
        let clocks = Role::ALL.into_iter().map(clock).collect::<anyhow::Result<_>>()?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let http = reqwest::Client::builder().timeout(ANSWER_PATIENCE).build()?;
        Ok(Arc::new(Fleet { program, folder, settings, slots, http, clocks, ends: StdMutex::default() }))
    }

    /// Where an ingest listens, or another role shows its metrics.
    pub(crate) async fn port(&self, role: Role) -> u16 {
        self.slots[&role].lock().await.port
    }

    /// Starts all that are wanted, and what of them ends by itself again, until the supervisor is dropped.
    pub(crate) async fn start_all(self: &Arc<Self>, is_wanted: impl Fn(Role) -> bool) -> anyhow::Result<Supervisor> {
        for role in Role::ALL.into_iter().filter(|role| is_wanted(*role)) {
            self.start(role).await?;
        }
        let fleet = Arc::clone(self);
        Ok(Supervisor(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                fleet.revive().await;
            }
        })))
    }

    pub(crate) async fn start(&self, role: Role) -> anyhow::Result<()> {
        let mut slot = self.slots[&role].lock().await;
        slot.is_wanted = true;
        if slot.process.is_none() {
            slot.process = Some(self.spawn(role, slot.port)?);
        }
        Ok(())
    }

    /// Sets a process's wall clock so many minutes ahead, or back where they are less than 0; 0 is right again.
    pub(crate) fn set_clock(&self, role: Role, minutes: i64) -> anyhow::Result<()> {
        self.clocks[&role].set(minutes)
    }

    /// SIGKILL: no last word. It stays away until it is started.
    pub(crate) async fn kill(&self, role: Role) {
        if let Some(process) = self.take(role).await {
            process.kill().await;
        }
    }

    /// SIGTERM, as a rollout does it. It stays away until it is started; 0 is what it has to end with, and in time. One
    /// that was started a moment ago and does not listen for the signal yet ends by it: it has nothing in hand.
    pub(crate) async fn stop(&self, role: Role) {
        if let Some(process) = self.take(role).await {
            let status = process.stop(Signal::TERM, STOP_PATIENCE).await;
            let is_in_order = |status: ExitStatus| status.success() || status.signal() == Some(Signal::TERM.as_raw());
            if !status.is_some_and(is_in_order) {
                self.ends.lock().unwrap().push((role, format!("told to stop, it ended with {status:?}")));
            }
        }
    }

    /// SIGTERM to all.
    pub(crate) async fn stop_all(&self) {
        join_all(Role::ALL.map(|role| self.stop(role))).await;
    }

    async fn take(&self, role: Role) -> Option<Process> {
        let mut slot = self.slots[&role].lock().await;
        slot.is_wanted = false;
        slot.process.take()
    }

    async fn revive(&self) {
        for (role, slot) in &self.slots {
            let mut slot = slot.lock().await;
            let Some(status) = slot.process.as_mut().and_then(Process::ended) else { continue };
            self.ends.lock().unwrap().push((*role, format!("it ended by itself with {status}")));
            slot.process = slot.is_wanted.then(|| self.spawn(*role, slot.port).unwrap());
        }
    }

    /// How processes ended that should not have, or not so.
    pub(crate) fn ends(&self) -> Vec<(Role, String)> {
        self.ends.lock().unwrap().clone()
    }

    fn spawn(&self, role: Role, port: u16) -> anyhow::Result<Process> {
        let mut command = match role {
            Role::Ingest(_) | Role::Worker(_) => self.command(&[role.name()]),
            Role::Retention | Role::Reconcile => self.command(&[role.name(), "--every", "2s"]),
        };
        let address = format!("127.0.0.1:{port}");
        command.env(if matches!(role, Role::Ingest(_)) { "LISTEN_ADDR" } else { "METRICS_ADDR" }, address);
        command.envs(self.clocks[&role].environment());
        Process::start(&mut command, &self.folder.join(format!("{}.log", role.file_name())))
    }

    /// `callvault` with these arguments, and nothing but the fleet's settings as its environment.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().envs(&self.settings).current_dir(&self.folder);
        command
    }

    /// Runs a subcommand to its end.
    pub(crate) async fn output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let ended = tokio::time::timeout(COMMAND_PATIENCE, command.kill_on_drop(true).output()).await;
        ended.with_context(|| format!("{arguments:?} goes on and on"))?.context("it cannot be started")
    }

    /// Runs a subcommand with `--json` that has to succeed, and reads its lines.
    pub(crate) async fn json(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let output = self.output(&[arguments, &["--json"]].concat()).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// How many jobs the workers are at, by their own account; `None` where one does not answer.
    pub(crate) async fn jobs_in_flight(&self) -> Option<u64> {
        let mut jobs = 0;
        for role in Role::ALL.into_iter().filter(|role| matches!(role, Role::Worker(_))) {
            let page = format!("http://127.0.0.1:{}/metrics", self.port(role).await);
            let text = self.http.get(page).send().await.ok()?.text().await.ok()?;
            let in_flight = text.lines().filter(|line| line.starts_with("callvault_jobs_in_flight{"));
            jobs += in_flight.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>();
        }
        Some(jobs)
    }

    /// Whether each process that is wanted is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        for role in Role::ALL {
            let (is_wanted, port) = {
                let slot = self.slots[&role].lock().await;
                (slot.is_wanted, slot.port)
            };
            if !is_wanted {
                continue;
            }
            let url = format!("http://127.0.0.1:{port}/readyz");
            if !self.http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return false;
            }
        }
        true
    }
}
