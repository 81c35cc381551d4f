//! A server that records what it is asked and answers as it is told, media, and Debian's and Python's tools.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use callvault_transcriber::{Media, TranscribeOptions, TranscriberError};
use futures::stream::{self, StreamExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use twilio::MediaFormat;
use url::Url;

/// One request as it came over the wire.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Query parameters, sorted.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let url = Url::parse(&format!("http://server{}", self.uri)).unwrap();
        let mut pairs: Vec<_> = url.query_pairs().into_owned().collect();
        pairs.sort();
        pairs
    }

    /// The parts of a multipart form, as axum reads them: (name, file name, content type, content), sorted.
    pub(crate) async fn form(&self) -> Vec<(String, String, String, Bytes)> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.headers_mut() = self.headers.clone();
        let mut form = Multipart::from_request(request, &()).await.expect("a multipart form");
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await.expect("a whole field") {
            let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let (name, file_name, kind) = (own(field.name()), own(field.file_name()), own(field.content_type()));
            fields.push((name, file_name, kind, field.bytes().await.unwrap()));
        }
        fields.sort();
        fields
    }
}

/// What the server answers to one request.
pub(crate) type Answer = Box<dyn FnOnce() -> Response + Send>;

pub(crate) fn json(body: impl Into<String>) -> Answer {
    status(200, body)
}

pub(crate) fn status(status: u16, body: impl Into<String>) -> Answer {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    Box::new(move || (status, [("content-type", "application/json")], body).into_response())
}

pub(crate) type Headers = &'static [(&'static str, &'static str)];

pub(crate) fn with_headers(code: u16, headers: Headers, body: &'static str) -> Answer {
    Box::new(move || {
        let mut response = (StatusCode::from_u16(code).unwrap(), body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    })
}

/// Listens on a port of its own; gone when dropped.
pub(crate) struct Server {
    pub(crate) url: Url,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<Recorded>>,
}

impl Server {
    /// Answers each request, once it has its whole body, with the next of `answers`.
    pub(crate) async fn start(answers: Vec<Answer>) -> Server {
        let shared = Arc::new(Shared { answers: Mutex::new(answers.into()), requests: Mutex::default() });
        let router = Router::new().fallback(record).with_state(Arc::clone(&shared));
        Self::serve(router, shared).await
    }

    /// Answers as `router` does; nothing is recorded.
    pub(crate) async fn with(router: Router) -> Server {
        Self::serve(router, Arc::new(Shared { answers: Mutex::default(), requests: Mutex::default() })).await
    }

    async fn serve(router: Router, shared: Arc<Shared>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, shared, task }
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn request(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "one request was expected");
        requests[0].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn record(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let recorded = Recorded { method: head.method, uri: head.uri, headers: head.headers, body };
    shared.requests.lock().unwrap().push(recorded);
    let answer = shared.answers.lock().unwrap().pop_front().expect("an answer for every request");
    answer()
}

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Media of these chunks, all declared right.
pub(crate) fn media(channels: u8, chunks: &[&'static [u8]]) -> Media {
    let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let chunks: Vec<io::Result<Bytes>> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    let body = stream::iter(chunks).boxed();
    Media { format: MediaFormat::Wav, channels, bytes, duration_secs: Some(12.0), body }
}

/// Media whose source breaks after its first chunk.
pub(crate) fn broken_media() -> Media {
    let chunks = [Ok(Bytes::from_static(b"RIFF")), Err(io::Error::other("the vault's object is damaged"))];
    Media {
        format: MediaFormat::Wav,
        channels: 1,
        bytes: 400,
        duration_secs: Some(1.0),
        body: stream::iter(chunks).boxed(),
    }
}

pub(crate) fn options(model: Option<&str>, language: Option<&str>) -> TranscribeOptions {
    TranscribeOptions { model: model.map(str::to_owned), language: language.map(str::to_owned) }
}

/// All an error can show: itself, its sources, its Debug.
pub(crate) fn shown(error: &TranscriberError) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown += &format!(" {cause}");
        source = cause.source();
    }
    shown
}

/// The file `name` beside the tests.
pub(crate) fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// Runs a script of `official/` with the Python of the test tools, `input` on its standard input, and gives the JSON it
/// prints.
pub(crate) async fn python(script: &str, arguments: &[&str], input: &str) -> serde_json::Value {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("test-tools/venv/bin/python3");
    assert!(
        python.exists(),
        "{} is missing: make a venv there and pip install deepgram-sdk openai srt webvtt-py",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg(test_file("official").join(script)).args(arguments);
    let printed = run(command, input.as_bytes().to_vec()).await;
    serde_json::from_slice(&printed).expect("JSON from the script")
}

/// Runs a tool to its end off the runtime's threads; fails with what the tool says.
pub(crate) async fn run(mut command: Command, input: Vec<u8>) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let run = move || -> io::Result<std::process::Output> {
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || io::Write::write_all(&mut stdin, &input));
        let output = child.wait_with_output();
        let _ = writer.join();
        output
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program:?} can't be run ({error}): install its package"));
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
