//! A RabbitMQ of the harness's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use reqwest::{Method, Response};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::free_port::free_port;
use crate::process::{Process, as_user, folder_of, until};

const USER: &str = "rabbitmq";
/// It starts within ten seconds where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOPBACK: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

pub(crate) struct RabbitMq {
    folder: PathBuf,
    parameters: String,
    port: u16,
    api_port: u16,
    dist_port: u16,
    epmd_port: u16,
    pub(crate) process: Option<Process>,
    /// Erlang's name server, which would outlive the broker.
    _epmd: Process,
}

/// What a queue holds, as the broker last counted: to give, handed out, or on its way to another queue.
#[derive(Debug, Deserialize)]
pub(crate) struct QueueCount {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) messages: u64,
}

impl QueueCount {
    pub(crate) fn is_dead_letters(&self) -> bool {
        self.name.ends_with(".dead")
    }

    pub(crate) fn is_probe(&self) -> bool {
        self.name.ends_with(".probe")
    }
}

impl RabbitMq {
    /// `parameters` are Erlang's, as in `-rabbit NAME VALUE`.
    pub(crate) async fn start(folder: &Path, parameters: &str) -> anyhow::Result<RabbitMq> {
        let folder = folder.join("rabbitmq");
        folder_of(USER, &folder)?;
        let [port, api_port, dist_port, epmd_port] = [(); 4].map(|()| free_port());
        let conf = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {api_port}\n\
             vm_memory_high_watermark.absolute = 4GB\ndisk_free_limit.absolute = 64MB\n\
             collect_statistics_interval = 1000\n"
        );
        std::fs::write(folder.join("rabbitmq.conf"), conf)?;
        std::fs::write(folder.join("enabled_plugins"), "[rabbitmq_management].")?;
        let mut epmd = as_user(USER, "epmd");
        epmd.args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"]);
        let epmd = Process::start(&mut epmd, &folder.join("../epmd.log"))?;
        let parameters = format!("{LOOPBACK} {parameters}");
        let mut broker =
            RabbitMq { folder, parameters, port, api_port, dist_port, epmd_port, process: None, _epmd: epmd };
        broker.run().await?;
        Ok(broker)
    }

    /// Starts it unless it runs, and waits until it answers.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        if self.process.as_mut().is_none_or(|process| process.ended().is_some()) {
            let mut command = self.command("/usr/lib/rabbitmq/bin/rabbitmq-server");
            self.process = Some(Process::start(&mut command, &self.folder.join("../rabbitmq.log"))?);
        }
        let is_up = async || self.ask(Method::GET, "aliveness-test/%2F", json!({})).await.is_ok();
        until("RabbitMQ answers", PATIENCE, is_up).await
    }

    /// SIGKILL, its runtime's own helpers included.
    pub(crate) async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// In good order.
    pub(crate) async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM, Duration::from_secs(30)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `rabbitmqctl`; it takes seconds.
    pub(crate) async fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("/usr/lib/rabbitmq/bin/rabbitmqctl");
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        ensure!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    pub(crate) async fn make_vhost(&self, name: &str) -> anyhow::Result<()> {
        self.ask(Method::PUT, &format!("vhosts/{name}"), json!({})).await.map(drop)
    }

    pub(crate) async fn delete_vhost(&self, name: &str) -> anyhow::Result<()> {
        self.ask(Method::DELETE, &format!("vhosts/{name}"), json!({})).await.map(drop)
    }

    /// Every queue of a virtual host.
    pub(crate) async fn queues(&self, vhost: &str) -> anyhow::Result<Vec<QueueCount>> {
        Ok(self.ask(Method::GET, &format!("queues/{vhost}?columns=name,messages"), json!({})).await?.json().await?)
    }

    /// Empties every queue of a virtual host.
    pub(crate) async fn wipe(&self, vhost: &str) -> anyhow::Result<()> {
        for QueueCount { name, .. } in self.queues(vhost).await? {
            self.ask(Method::DELETE, &format!("queues/{vhost}/{name}/contents"), json!({})).await?;
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Response> {
        let url = format!("http://guest:guest@127.0.0.1:{}/api/{path}", self.api_port);
        let request = reqwest::Client::new().request(method, url).json(&body).timeout(Duration::from_secs(10));
        Ok(request.send().await?.error_for_status()?)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = as_user(USER, program);
        let path = |name: &str| self.folder.join(name);
        command
            .env("HOME", &self.folder)
            .env("RABBITMQ_NODENAME", format!("chaos{}@localhost", self.port))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq"))
            .env("RABBITMQ_MNESIA_BASE", path("data"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", &self.parameters)
            .current_dir(&self.folder);
        command
    }
}
