//! A PostgreSQL of the harness's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;

use crate::free_port::free_port;
use crate::process::{Process, as_user, done, folder_of, until};

const USER: &str = "postgres";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    settings: &'static [&'static str],
    port: u16,
    pub(crate) process: Option<Process>,
}

impl Postgres {
    /// `settings` are as in its configuration file.
    pub(crate) async fn start(folder: &Path, settings: &'static [&'static str]) -> anyhow::Result<Postgres> {
        let folder = folder.join("postgres");
        folder_of(USER, &folder)?;
        let password = folder.join("password");
        std::fs::write(&password, "callvault")?;
        let bin = newest_bin()?;
        let mut initdb = as_user(USER, &bin.join("initdb").display().to_string());
        initdb.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(&password);
        initdb.args(["--username=callvault", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
        done(initdb.current_dir(&folder))?;
        let mut server = Postgres { bin, folder, settings, port: free_port(), process: None };
        server.run().await?;
        Ok(server)
    }

    /// Starts it unless it runs, and waits until it answers.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let began = std::time::Instant::now();
        loop {
            // After a kill it may refuse until the last process of its predecessor has noticed.
            if self.process.as_mut().is_none_or(|process| process.ended().is_some()) {
                self.process = Some(Process::start(&mut self.server(), &self.folder.join("../postgres.log"))?);
            }
            let is_up = async || self.sql("postgres", "SELECT 1").is_ok();
            match until("PostgreSQL answers", Duration::from_secs(2), is_up).await {
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Its "fast shutdown": sessions are ended, what they did is written down.
    pub(crate) async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT, Duration::from_secs(30)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What a statement answers, unadorned.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> anyhow::Result<String> {
        done(&mut self.psql(database, statement))
    }

    /// Debian's client, about to run a statement.
    pub(crate) fn psql(&self, database: &str, statement: &str) -> Command {
        let url = format!("postgres://callvault:callvault@127.0.0.1:{}/{database}?sslmode=disable", self.port);
        let mut psql = Command::new(self.bin.join("psql"));
        psql.env("PGCONNECT_TIMEOUT", "5");
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", &url, "--command", statement]);
        psql
    }

    fn server(&self) -> Command {
        let mut command = as_user(USER, &self.bin.join("postgres").display().to_string());
        command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        command.current_dir(&self.folder);
        command
    }
}

/// Debian keeps each version's programs in a folder of its own.
fn newest_bin() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed: run make tools")?;
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().context("PostgreSQL is not installed: run make tools")?;
    Ok(PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
}
