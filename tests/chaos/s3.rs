//! An S3 server: this program again, started with `s3-server`. It ends with its standard input, over which it is told what
//! to do wrong.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use vault::contract::s3_server::{answer, service};

use crate::free_port::free_port;
use crate::process::{Process, until};

pub(crate) const COMMAND: &str = "s3-server";
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with every n-th answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum S3Fault {
    /// 500 InternalError.
    Error { every: u32 },
    /// 503 SlowDown.
    SlowDown { every: u32 },
    /// What is put is not taken, and never answered.
    EndlessPut { every: u32 },
    /// What is put is taken, and never answered.
    UnansweredPut { every: u32 },
    /// What is got breaks off in its middle.
    CutGet { every: u32 },
}

pub(crate) struct S3 {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl S3 {
    /// Over a folder: a folder in it is a bucket.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<S3> {
        std::fs::create_dir_all(folder)?;
        let mut server = S3 { folder: folder.to_owned(), port: free_port(), process: None };
        server.run().await?;
        Ok(server)
    }

    /// Starts it unless it runs, and waits until it listens.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        if self.process.as_mut().is_none_or(|process| process.ended().is_some()) {
            // Not by its name: a build may put another program there meanwhile.
            let mut command = Command::new("/proc/self/exe");
            command.arg(COMMAND).arg(&self.folder).arg(self.port.to_string()).stdin(Stdio::piped());
            self.process = Some(Process::start(&mut command, &self.folder.with_extension("log"))?);
        }
        let listens = async || tokio::net::TcpStream::connect(self.address()).await.is_ok();
        until("the S3 server listens", PATIENCE, listens).await
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What is wrong from now on; a server that was started anew does nothing wrong.
    pub(crate) fn set(&mut self, fault: Option<S3Fault>) -> anyhow::Result<()> {
        let stdin = self.process.as_mut().and_then(|process| process.child().stdin.as_mut());
        if let Some(stdin) = stdin {
            writeln!(stdin, "{}", serde_json::to_string(&fault)?)?;
        }
        Ok(())
    }
}

/// The server's whole life.
pub(crate) fn serve(folder: &str, port: &str) -> anyhow::Result<()> {
    let fault: Arc<Mutex<Option<S3Fault>>> = Arc::default();
    let told = Arc::clone(&fault);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            *told.lock().unwrap() = serde_json::from_str(&line).unwrap();
        }
        std::process::exit(0);
    });
    let (service, count) = (service(Path::new(folder)), Arc::new(AtomicU32::new(0)));
    let router = Router::new().fallback(move |request: Request| {
        let (fault, service) = (*fault.lock().unwrap(), service.clone());
        let turn = count.fetch_add(1, Ordering::Relaxed);
        // In a task of its own: who leaves does not end what the server is at.
        async move { tokio::spawn(faulty(request, fault, turn, |request| answer(service, request))).await.unwrap() }
    });
    let port: u16 = port.parse()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(axum::serve(listener, router).await?)
    })
}

async fn faulty<F>(request: Request, fault: Option<S3Fault>, turn: u32, server: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let is_put = matches!(*request.method(), Method::PUT | Method::POST);
    let is_get = *request.method() == Method::GET && request.uri().path().matches('/').count() > 1;
    match fault {
        Some(S3Fault::Error { every }) if turn.is_multiple_of(every) => error(500, "InternalError"),
        Some(S3Fault::SlowDown { every }) if turn.is_multiple_of(every) => error(503, "SlowDown"),
        Some(S3Fault::EndlessPut { every }) if is_put && turn.is_multiple_of(every) => std::future::pending().await,
        Some(S3Fault::UnansweredPut { every }) if is_put && turn.is_multiple_of(every) => {
            server(request).await;
            std::future::pending().await
        }
        Some(S3Fault::CutGet { every }) if is_get && turn.is_multiple_of(every) => cut(server(request).await).await,
        _ => server(request).await,
    }
}

fn error(status: u16, code: &str) -> Response {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>played</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), xml).into_response()
}

/// Half of the body; the length still promises all of it.
async fn cut(response: Response) -> Response {
    let (head, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else { return error(500, "InternalError") };
    let half = stream::once(async move { Ok(whole.slice(..whole.len() / 2)) });
    let broken = stream::once(async {
        // Without a pause the HTTP library would not even send what came before.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(std::io::Error::other("cut"))
    });
    Response::from_parts(head, Body::from_stream(half.chain(broken)))
}
