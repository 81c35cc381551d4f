//! The servers that both sides use: RabbitMQ, S3, a simulated Twilio; and callvault's catalog.

use std::path::{Path, PathBuf};
use std::time::Duration;

use simulator::{Simulator, SimulatorConfig};

use crate::measure::callbacks::{ACCOUNT, Callbacks, TOKEN};
use crate::measure::usage::{cpu_secs, cpu_secs_of_tree};
use crate::postgres::Postgres;
use crate::process::{Process, until};
use crate::rabbitmq::RabbitMq;
use crate::s3::S3;
use crate::side::Side;

/// Of the copy that encrypts nothing.
pub(crate) const BARE_BUCKET: &str = "bare";
/// What quorum queues hold is counted once a tick, else of five seconds.
const RABBITMQ: &str = "-rabbit quorum_tick_interval 1000";
const COUNT_PATIENCE: Duration = Duration::from_secs(30);

/// All of it, over a folder. Dropped, all is ended.
pub(crate) struct Engines {
    pub(crate) folder: PathBuf,
    pub(crate) rabbitmq: RabbitMq,
    pub(crate) postgres: Postgres,
    pub(crate) s3: S3,
    pub(crate) twilio: Simulator,
}

/// Processor seconds that the servers used so far.
#[derive(Clone, Copy)]
pub(crate) struct ServersCpu {
    pub(crate) s3: f64,
    pub(crate) rabbitmq_and_postgres: f64,
}

impl Engines {
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Engines> {
        let buckets = [Side::Callvault.name(), Side::Baseline.name(), BARE_BUCKET];
        let twilio = Simulator::start(SimulatorConfig {
            listen: "127.0.0.1:0".parse()?,
            account_sid: ACCOUNT.parse()?,
            auth_token: TOKEN.into(),
            callback_url: None,
            callback_target: None,
            seed: 7,
        });
        let (rabbitmq, postgres, s3) = tokio::try_join!(
            RabbitMq::start(folder, RABBITMQ),
            Postgres::start(folder, &["max_connections=100"]),
            S3::start(folder, &buckets)
        )?;
        for side in Side::BOTH {
            rabbitmq.make_vhost(side.name()).await?;
        }
        postgres.sql("postgres", "CREATE DATABASE callvault")?;
        Ok(Engines { folder: folder.to_owned(), rabbitmq, postgres, s3, twilio: twilio.await? })
    }

    /// Callbacks of recordings made now.
    #[expect(clippy::disallowed_methods, reason = "as a process with the system's clock sees it")]
    pub(crate) fn callbacks(&self) -> Callbacks {
        Callbacks { twilio: self.twilio.clone(), started_at: chrono::Utc::now() }
    }

    /// Waits until the broker counts as many jobs in a side's queue.
    pub(crate) async fn until_queued(&self, side: Side, messages: u64) -> anyhow::Result<()> {
        let name = format!("{}.archive", side.name());
        let is_so = async || {
            let queues = self.rabbitmq.queues(side.name()).await.unwrap_or_default();
            queues.iter().any(|queue| queue.name == name && queue.messages == messages)
        };
        until(&format!("RabbitMQ holds the {messages} callbacks that were answered"), COUNT_PATIENCE, is_so).await
    }

    /// What the catalog is now is what it is after each [`Engines::forget`].
    pub(crate) fn keep_catalog(&self) -> anyhow::Result<()> {
        self.postgres.sql("postgres", "CREATE DATABASE empty TEMPLATE callvault").map(drop)
    }

    /// Nothing is queued, stored or known any more. No program may be running: callvault takes a bucket that lost all
    /// that its catalog knows of for a disk that is not mounted.
    pub(crate) async fn forget(&mut self) -> anyhow::Result<()> {
        for side in Side::BOTH {
            self.rabbitmq.wipe(side.name()).await?;
        }
        self.postgres.sql("postgres", "DROP DATABASE callvault WITH (FORCE)")?;
        self.postgres.sql("postgres", "CREATE DATABASE callvault TEMPLATE empty")?;
        self.s3.empty()
    }

    pub(crate) fn cpu(&mut self) -> anyhow::Result<ServersCpu> {
        let tree =
            |process: &mut Option<Process>| process.as_mut().map_or(Ok(0.0), |it| cpu_secs_of_tree(it.child().id()));
        let (rabbitmq, postgres) = (tree(&mut self.rabbitmq.process), tree(&mut self.postgres.process));
        Ok(ServersCpu { s3: cpu_secs(self.s3.pid())?, rabbitmq_and_postgres: rabbitmq? + postgres? })
    }
}
