//! The S3 server of both sides: this program again, started with `s3-server`. It ends with its standard input, and
//! tells on its standard output of each object that is whole.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use s3s::service::S3Service;
use tokio::sync::mpsc;
use vault::contract::s3_server::{answer, service};

use crate::free_port::free_port;
use crate::process::{Process, until};

pub(crate) const COMMAND: &str = "s3-server";
const PATIENCE: Duration = Duration::from_secs(30);

/// An object that is whole.
pub(crate) struct Stored {
    /// Bucket and key.
    pub(crate) path: String,
    pub(crate) at: Instant,
}

/// Over a folder on disk. Dropped, it ends.
pub(crate) struct S3 {
    folder: PathBuf,
    port: u16,
    process: Process,
    stored: mpsc::UnboundedReceiver<Stored>,
}

impl S3 {
    /// With these buckets, and waits until it listens.
    pub(crate) async fn start(folder: &Path, buckets: &[&str]) -> anyhow::Result<S3> {
        let (folder, port) = (folder.join("s3"), free_port());
        buckets.iter().try_for_each(|bucket| fs::create_dir_all(folder.join(bucket)))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg(COMMAND).arg(&folder).arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start_heard(&mut command, &folder.with_extension("log"))?;
        let lines = BufReader::new(process.child().stdout.take().context("no pipe")?).lines();
        let (sender, stored) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for path in lines.map_while(Result::ok) {
                // Nobody may be listening any more.
                let _ = sender.send(Stored { path, at: Instant::now() });
            }
        });
        let server = S3 { folder, port, process, stored };
        let listens = async || tokio::net::TcpStream::connect(server.address()).await.is_ok();
        until("the S3 server listens", PATIENCE, listens).await?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// The next object that is whole; `None` where there is none within `patience`.
    pub(crate) async fn stored(&mut self, patience: Duration) -> Option<Stored> {
        tokio::time::timeout(patience, self.stored.recv()).await.ok().flatten()
    }

    /// How long an object is.
    pub(crate) fn length(&self, path: &str) -> anyhow::Result<u64> {
        let path = self.folder.join(path.trim_start_matches('/'));
        Ok(fs::metadata(&path).with_context(|| format!("{} is told of, and not there", path.display()))?.len())
    }

    /// Deletes every object, and forgets what was told of them.
    pub(crate) fn empty(&mut self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(&path)?;
                fs::create_dir(&path)?;
            } else {
                // What belonged to a request that was broken off may be gone by itself.
                let _ = fs::remove_file(&path);
            }
        }
        while self.stored.try_recv().is_ok() {}
        Ok(())
    }
}

/// The server's whole life.
pub(crate) fn serve(folder: &str, port: &str) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let (service, port) = (service(Path::new(folder)), port.parse::<u16>()?);
    let router = Router::new().fallback(move |request: Request| told(service.clone(), request));
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(axum::serve(listener, router).await?)
    })
}

#[expect(clippy::print_stdout, reason = "how it tells")]
async fn told(service: S3Service, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let makes_whole = match *request.method() {
        Method::PUT => !has("partNumber"),
        Method::POST => has("uploadId"),
        _ => false,
    };
    let path = request.uri().path().to_owned();
    let response = answer(service, request).await;
    if makes_whole && response.status().is_success() {
        println!("{path}");
    }
    response
}
