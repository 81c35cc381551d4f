//! The two sides, and a program of each: started with what both sides share, waited for, measured, ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY};

use crate::engines::Engines;
use crate::free_port::free_port;
use crate::measure::callbacks::{ACCOUNT, PUBLIC_BASE_URL, TOKEN};
use crate::measure::usage::{self, Resident};
use crate::process::{Process, done};

const START_PATIENCE: Duration = Duration::from_secs(30);
/// Short: what is measured is as short.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Callvault,
    Baseline,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Callvault, Side::Baseline];

    /// Also of its virtual host and of its bucket.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Callvault => "callvault",
            Side::Baseline => "baseline",
        }
    }
}

/// What a program does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Ingest,
    Worker { concurrency: u64 },
}

/// Where the programs are.
pub(crate) struct Programs {
    /// The `callvault` that is measured.
    pub(crate) callvault: PathBuf,
    /// The folder that the baseline is installed in.
    pub(crate) baseline: PathBuf,
}

type Settings = BTreeMap<&'static str, String>;

impl Programs {
    /// Makes callvault's tables, its queues and its key.
    pub(crate) fn prepare(&self, engines: &Engines) -> anyhow::Result<()> {
        let identity = identity(&engines.folder);
        done(Command::new(&self.callvault).args(["keys", "generate", "--output", &identity]))?;
        let mut migrate = Command::new(&self.callvault);
        done(migrate.args(["migrate", "--queues"]).env_clear().envs(callvault_settings(engines)))?;
        engines.keep_catalog()
    }

    /// Runs one of callvault's commands that ends by itself; what it says.
    pub(crate) fn run(&self, engines: &Engines, arguments: &[&str]) -> anyhow::Result<String> {
        done(Command::new(&self.callvault).args(arguments).env_clear().envs(callvault_settings(engines)))
    }

    /// Starts a program and waits until it is ready.
    pub(crate) async fn start(&self, engines: &Engines, side: Side, role: Role) -> anyhow::Result<Program> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (mut command, ready) = match side {
            Side::Callvault => (self.callvault(engines, role, address), "/readyz"),
            Side::Baseline => (self.baseline(engines, role, address), "/healthz"),
        };
        let log = engines.folder.join(format!("{}.log", side.name()));
        let began = Instant::now();
        let process = Process::start(&mut command, &log)?;
        let mut program = Program { process, address, log, started_in: Duration::ZERO };
        program.until_ready(ready, began).await?;
        program.started_in = began.elapsed();
        Ok(program)
    }

    fn callvault(&self, engines: &Engines, role: Role, address: SocketAddr) -> Command {
        let mut command = Command::new(&self.callvault);
        command.env_clear().envs(callvault_settings(engines)).current_dir(&engines.folder);
        match role {
            Role::Ingest => command.arg("ingest").env("LISTEN_ADDR", address.to_string()),
            Role::Worker { concurrency } => command
                .arg("worker")
                .env("METRICS_ADDR", address.to_string())
                .env("WORKER_CONCURRENCY", concurrency.to_string())
                .env("TWILIO_MAX_CONCURRENCY", concurrency.to_string()),
        };
        command
    }

    fn baseline(&self, engines: &Engines, role: Role, address: SocketAddr) -> Command {
        let mut command = Command::new("node");
        // For node itself, and for nothing else.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).envs(baseline_settings(engines)).current_dir(&self.baseline);
        match role {
            Role::Ingest => command.arg("ingest.js").env("PORT", address.port().to_string()),
            Role::Worker { concurrency } => command
                .arg("worker.js")
                .env("HEALTH_PORT", address.port().to_string())
                .env("CONCURRENCY", concurrency.to_string()),
        };
        command
    }
}

/// A program at work. Dropped, it is killed.
pub(crate) struct Program {
    process: Process,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    /// From the start of the process to its first good answer.
    pub(crate) started_in: Duration,
}

impl Program {
    async fn until_ready(&mut self, path: &str, began: Instant) -> anyhow::Result<()> {
        while !is_ready(self.address, path).await {
            self.check_alive()?;
            ensure!(began.elapsed() < START_PATIENCE, "not ready after {START_PATIENCE:?}: see {}", self.log.display());
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// Fails where the process has ended, with its last words.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.process.ended() else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        bail!("it ended ({status}): {}", log.lines().last().unwrap_or_default())
    }

    pub(crate) fn resident_mib(&mut self) -> anyhow::Result<Resident> {
        usage::resident_mib(self.process.child().id())
    }

    pub(crate) fn cpu_secs(&mut self) -> anyhow::Result<f64> {
        usage::cpu_secs(self.process.child().id())
    }
}

async fn is_ready(address: SocketAddr, path: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(status.ends_with(b" 200"))
    };
    asked.await.unwrap_or(false)
}

fn identity(folder: &Path) -> String {
    folder.join("identity.txt").display().to_string()
}

fn callvault_settings(engines: &Engines) -> Settings {
    let mut settings = shared_settings(engines);
    let [rabbitmq, postgres] = [engines.rabbitmq.address(), engines.postgres.address()];
    settings.extend([
        ("QUEUE_URL", format!("amqp://guest:guest@{rabbitmq}/callvault")),
        ("DATABASE_URL", format!("postgres://callvault:callvault@{postgres}/callvault?sslmode=disable")),
        ("RECORDINGS_BUCKET", "s3://callvault".to_owned()),
        ("ENCRYPTION_IDENTITY_FILE", identity(&engines.folder)),
        // No limit of its own: the baseline has none.
        ("TWILIO_REQUESTS_PER_SECOND", "100000".to_owned()),
    ]);
    settings
}

fn baseline_settings(engines: &Engines) -> Settings {
    let mut settings = shared_settings(engines);
    settings.extend([
        ("AMQP_URL", format!("amqp://guest:guest@{}/baseline", engines.rabbitmq.address())),
        ("BUCKET", "baseline".to_owned()),
        ("MASTER_KEY", "5a".repeat(32)),
        ("NODE_ENV", "production".to_owned()),
    ]);
    settings
}

fn shared_settings(engines: &Engines) -> Settings {
    BTreeMap::from([
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
        ("TWILIO_API_URL", engines.twilio.url().to_string()),
        ("PUBLIC_BASE_URL", PUBLIC_BASE_URL.to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{}", engines.s3.address())),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("TMPDIR", engines.folder.display().to_string()),
    ])
}
