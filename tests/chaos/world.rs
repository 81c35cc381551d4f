//! All that a run has, and what becomes of it when a fault strikes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use anyhow::Context;
use simulator::{Faults, Simulator, SimulatorConfig};
use tokio::sync::Mutex;
use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY};

use crate::fault::{Fault, Misdeed, Peer, Role};
use crate::fleet::{Fleet, Settings};
use crate::postgres::Postgres;
use crate::process::{done, until};
use crate::proxy::{Proxy, Way};
use crate::rabbitmq::RabbitMq;
use crate::receiver::Receiver;
use crate::s3::S3;
use crate::schedule::Planned;

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TOKEN: &str = "chaos-token";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const BUCKET: &str = "calls";
pub(crate) const LEASE_SECS: u32 = 3;
/// How long a reset lasts that ends another fault.
const MOMENT: Duration = Duration::from_millis(100);
/// How much longer a fault lasts until it strikes.
const STRIKE_PATIENCE: Duration = Duration::from_secs(10);

/// What quorum queues hold is counted once a tick, else of five seconds; what was on its way from one to another when
/// the broker was killed is sent again after ten seconds, else three minutes. Idle schedulers of Erlang's do not spin:
/// other runs are on the same cores.
const RABBITMQ: &str = "-rabbit quorum_tick_interval 1000 -rabbit dead_letter_worker_publisher_confirm_timeout 10000 \
                        +sbwt none +sbwtdcpu none +sbwtdio none";
/// A killed process loses nothing that it wrote, synced or not; only a machine does.
const POSTGRES: &[&str] = &["max_connections=200", "fsync=off"];

/// The servers that all runs share.
pub(crate) struct Servers {
    program: PathBuf,
    pub(crate) rabbitmq: Mutex<RabbitMq>,
    pub(crate) postgres: Mutex<Postgres>,
}

impl Servers {
    /// `program` is the `callvault` that runs beside them.
    pub(crate) async fn start(folder: &Path, program: PathBuf) -> anyhow::Result<Servers> {
        let (rabbitmq, postgres) =
            tokio::try_join!(RabbitMq::start(folder, RABBITMQ), Postgres::start(folder, POSTGRES))?;
        Ok(Servers { program, rabbitmq: Mutex::new(rabbitmq), postgres: Mutex::new(postgres) })
    }

    /// Starts again what the run before left lying.
    async fn run(&self) -> anyhow::Result<()> {
        self.rabbitmq.lock().await.run().await?;
        self.postgres.lock().await.run().await
    }
}

pub(crate) struct World {
    pub(crate) servers: Arc<Servers>,
    /// The virtual host's name, and the database's.
    pub(crate) name: String,
    pub(crate) s3: Mutex<S3>,
    pub(crate) receiver: Receiver,
    pub(crate) twilio: Simulator,
    pub(crate) fleet: Arc<Fleet>,
    lines: BTreeMap<Peer, Proxy>,
    misdeeds: StdMutex<Vec<Misdeed>>,
}

impl World {
    /// Everything but our own processes runs; what they store is empty. `folder` holds the vault and the logs.
    pub(crate) async fn made(servers: Arc<Servers>, folder: &Path, seed: u64) -> anyhow::Result<World> {
        let name = format!("run_{seed}_{:08x}", rand::random::<u32>());
        servers.run().await?;
        servers.rabbitmq.lock().await.make_vhost(&name).await?;
        servers.postgres.lock().await.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        std::fs::create_dir_all(folder.join("s3").join(BUCKET))?;
        std::fs::create_dir_all(folder.join("tmp"))?;
        let s3 = S3::start(&folder.join("s3")).await?;
        let receiver = Receiver::start().await?;
        let twilio = Simulator::start(SimulatorConfig {
            listen: "127.0.0.1:0".parse()?,
            account_sid: ACCOUNT.parse()?,
            auth_token: TOKEN.into(),
            callback_url: None,
            callback_target: None,
            seed,
        });
        let twilio = twilio.await?;
        let simulated = twilio.url().socket_addrs(|| None)?[0];
        let mut lines = BTreeMap::new();
        for (peer, address) in [
            (Peer::Twilio, simulated),
            (Peer::Transcriber, simulated),
            (Peer::RabbitMq, servers.rabbitmq.lock().await.address()),
            (Peer::Postgres, servers.postgres.lock().await.address()),
            (Peer::S3, s3.address()),
            (Peer::Receiver, receiver.address()),
        ] {
            lines.insert(peer, Proxy::before(vec![address]).await?);
        }
        let fleet = Fleet::new(&servers.program, folder, settings(&servers.program, &name, folder, &lines)?)?;
        let ingests = [fleet.port(Role::Ingest(1)).await, fleet.port(Role::Ingest(2)).await];
        let ingests = ingests.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let balancer = Proxy::before(ingests.to_vec()).await?;
        let url = "https://voice.example.com/webhooks/recording#rc=5&rp=5xx,ct,rt&rt=4000";
        twilio.set_callback(url.parse()?, Some(balancer.address()));
        lines.insert(Peer::Ingest, balancer);
        fleet.json(&["migrate", "--queues"]).await?;
        let misdeeds = StdMutex::default();
        Ok(World { servers, name, s3: Mutex::new(s3), receiver, twilio, fleet, lines, misdeeds })
    }

    /// Lets a fault strike, last and end. What it took away runs again then.
    pub(crate) async fn suffer(&self, planned: &Planned) -> anyhow::Result<()> {
        let (lasts, rabbitmq, postgres) = (planned.lasts, &self.servers.rabbitmq, &self.servers.postgres);
        match &planned.fault {
            Fault::Killed(role) => {
                self.until_it_works(*role).await;
                self.fleet.kill(*role).await;
                tokio::time::sleep(lasts).await;
                self.fleet.start(*role).await?;
            }
            Fault::RolledOut(role) => {
                self.until_it_works(*role).await;
                self.fleet.stop(*role).await;
                self.fleet.start(*role).await?;
            }
            Fault::ClockJumped(role, minutes) => {
                self.fleet.set_clock(*role, *minutes)?;
                tokio::time::sleep(lasts).await;
                self.fleet.set_clock(*role, 0)?;
            }
            Fault::Line(peer, way) => {
                self.lines[peer].set(*way);
                tokio::time::sleep(lasts).await;
                self.lines[peer].set(Way::Open);
            }
            Fault::Unconfirmed => {
                self.lines[&Peer::RabbitMq].set(Way::Deaf);
                tokio::time::sleep(lasts / 4).await;
                self.lines[&Peer::RabbitMq].set(Way::Reset);
                tokio::time::sleep(MOMENT).await;
                self.lines[&Peer::RabbitMq].set(Way::Open);
            }
            Fault::RabbitMqKilled => {
                let mut rabbitmq = rabbitmq.lock().await;
                rabbitmq.kill().await;
                tokio::time::sleep(lasts).await;
                rabbitmq.run().await?;
            }
            Fault::RabbitMqRestarted => {
                let mut rabbitmq = rabbitmq.lock().await;
                rabbitmq.stop().await;
                rabbitmq.run().await?;
            }
            Fault::DiskAlarm => {
                self.alarm(["set_disk_free_limit", "1000000GB"], ["set_disk_free_limit", "64MB"], lasts).await?
            }
            Fault::MemoryAlarm => {
                let set = "set_vm_memory_high_watermark";
                self.alarm([set, "0.00001"], [set, "0.9"], lasts).await?;
            }
            Fault::QueuesWiped => rabbitmq.lock().await.wipe(&self.name).await?,
            Fault::PostgresKilled => {
                let mut postgres = postgres.lock().await;
                postgres.kill().await;
                tokio::time::sleep(lasts).await;
                postgres.run().await?;
            }
            Fault::PostgresRestarted => {
                let mut postgres = postgres.lock().await;
                postgres.stop().await;
                postgres.run().await?;
            }
            Fault::S3Killed => {
                let mut s3 = self.s3.lock().await;
                s3.kill().await;
                tokio::time::sleep(lasts).await;
                s3.run().await?;
            }
            Fault::S3(fault) => {
                self.s3.lock().await.set(Some(*fault))?;
                tokio::time::sleep(lasts).await;
                self.s3.lock().await.set(None)?;
            }
            Fault::Misdeed(misdeed) => {
                self.set_misdeeds(|misdeeds| misdeeds.push(misdeed.clone()));
                let answers = || misdeed.shown_by.map(|answer| self.answers(answer));
                let before = answers();
                tokio::time::sleep(lasts).await;
                // Not for ever: there may be nobody left who asks.
                let _ = until("it strikes", STRIKE_PATIENCE, async || before.is_none() || answers() > before).await;
                self.set_misdeeds(|misdeeds| misdeeds.retain(|other| other.what != misdeed.what));
            }
            Fault::ReceiverRefuses { every } => {
                self.receiver.refuse_every(Some(*every));
                tokio::time::sleep(lasts).await;
                self.receiver.refuse_every(None);
            }
        }
        Ok(())
    }

    /// Waits until a sweep is in the middle of a pass, or a while: between two passes there is little to break.
    async fn until_it_works(&self, role: Role) {
        // The catalog's lock on the schedule is held as long as the pass takes.
        let schedule = match role {
            Role::Retention => 1,
            Role::Reconcile => 2,
            Role::Ingest(_) | Role::Worker(_) => return,
        };
        let wait = format!(
            "DO $$ BEGIN FOR look IN 1..5000 LOOP \
             EXIT WHEN EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database \
             WHERE datname = current_database() AND locktype = 'advisory' AND objid = {schedule} AND granted); \
             PERFORM pg_sleep(0.001); END LOOP; END $$"
        );
        let psql = self.servers.postgres.lock().await.psql(&self.name, &wait);
        let mut psql = tokio::process::Command::from(psql);
        // Where PostgreSQL is gone there is nothing to wait for.
        let _ = tokio::time::timeout(STRIKE_PATIENCE, psql.kill_on_drop(true).output()).await;
    }

    async fn alarm(&self, begin: [&str; 2], end: [&str; 2], lasts: Duration) -> anyhow::Result<()> {
        let rabbitmq = self.servers.rabbitmq.lock().await;
        rabbitmq.control(&begin).await?;
        tokio::time::sleep(lasts).await;
        rabbitmq.control(&end).await
    }

    /// How often the simulator answered so.
    fn answers(&self, answer: &str) -> u64 {
        self.twilio.counters().responses.get(answer).copied().unwrap_or(0)
    }

    fn set_misdeeds(&self, change: impl FnOnce(&mut Vec<Misdeed>)) {
        let mut misdeeds = self.misdeeds.lock().unwrap();
        change(&mut misdeeds);
        let mut faults = Faults::default();
        misdeeds.iter().for_each(|misdeed| (misdeed.set)(&mut faults));
        self.twilio.set_faults(faults);
    }

    /// What the run had on the shared servers goes.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        self.servers.rabbitmq.lock().await.delete_vhost(&self.name).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.servers.postgres.lock().await.sql("postgres", &drop).map(|_| ())
    }
}

/// Short leases and periods, so that what a dead process had in hand comes back within the run.
fn settings(program: &Path, name: &str, folder: &Path, lines: &BTreeMap<Peer, Proxy>) -> anyhow::Result<Settings> {
    let at = |peer: Peer| lines[&peer].address();
    let identity = folder.join("identity.txt").display().to_string();
    done(std::process::Command::new(program).args(["keys", "generate", "--output", &identity]))
        .context("keys generate")?;
    Ok(BTreeMap::from([
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
        ("TWILIO_API_URL", format!("http://{}", at(Peer::Twilio))),
        ("TWILIO_REQUESTS_PER_SECOND", "1000".to_owned()),
        ("TWILIO_TIMEOUT_SECS", "3".to_owned()),
        ("PUBLIC_BASE_URL", "https://voice.example.com".to_owned()),
        ("QUEUE_URL", format!("amqp://guest:guest@{}/{name}?heartbeat=5", at(Peer::RabbitMq))),
        ("QUEUE_LEASE_SECS", LEASE_SECS.to_string()),
        ("DATABASE_URL", format!("postgres://callvault:callvault@{}/{name}?sslmode=disable", at(Peer::Postgres))),
        ("RECORDINGS_BUCKET", format!("s3://{BUCKET}")),
        ("AWS_ENDPOINT_URL_S3", format!("http://{}", at(Peer::S3))),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("ENCRYPTION_IDENTITY_FILE", identity),
        ("TRANSCRIPTION_PROVIDER", "deepgram".to_owned()),
        ("TRANSCRIPTION_TIMEOUT_SECS", "5".to_owned()),
        ("DEEPGRAM_API_KEY", "simulated".to_owned()),
        ("DEEPGRAM_API_URL", format!("http://{}", at(Peer::Transcriber))),
        ("DELIVERY_WEBHOOK_URL", format!("http://{}/hook", at(Peer::Receiver))),
        ("DELIVERY_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ("DELIVERY_WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
        ("RECONCILE_LOOKBACK_DAYS", "60".to_owned()),
        ("RECONCILE_STUCK_AFTER_SECS", "3".to_owned()),
        ("WORKER_DRAIN_SECS", "3".to_owned()),
        ("CALLVAULT_ACTOR", "auditor".to_owned()),
        ("TMPDIR", folder.join("tmp").display().to_string()),
    ]))
}
