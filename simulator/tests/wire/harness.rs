//! A running simulator, a client that knows its credentials, a receiver of callbacks, and the official libraries.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use callvault_simulator::{CallPlan, MediaPlan, PlannedRecording, Simulator, SimulatorConfig};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use twilio::RecordingSid;

pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "a-token-of-the-simulated-account";

pub(crate) async fn start() -> Simulator {
    start_with_seed(7).await
}

pub(crate) async fn start_with_seed(seed: u64) -> Simulator {
    let config = SimulatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        account_sid: ACCOUNT.parse().unwrap(),
        auth_token: TOKEN.to_owned().into(),
        callback_url: None,
        callback_target: None,
        seed,
    };
    Simulator::start(config).await.unwrap()
}

/// 2026-03-24 18:15:40 UTC.
pub(crate) fn started_at() -> DateTime<Utc> {
    "2026-03-24T18:15:40Z".parse().unwrap()
}

/// A call with one clip; each index starts a minute after the one before.
pub(crate) fn call(index: u64) -> CallPlan {
    let minutes = TimeDelta::minutes(i64::try_from(index).unwrap());
    CallPlan::nth(index, started_at() + minutes)
}

pub(crate) fn call_with(index: u64, media: MediaPlan) -> CallPlan {
    CallPlan { media, ..call(index) }
}

pub(crate) fn synthetic(index: u64, bytes: u64) -> CallPlan {
    call_with(index, MediaPlan::Synthetic { bytes })
}

/// Adds a recording and gives its SID.
pub(crate) fn add(simulator: &Simulator, plan: CallPlan) -> RecordingSid {
    simulator.add_recording(plan).recording_sid
}

/// A request to a path of the account's Twilio API, without credentials.
pub(crate) fn anonymous(simulator: &Simulator, resource: &str) -> RequestBuilder {
    let url = format!("{}2010-04-01/Accounts/{ACCOUNT}/{resource}", simulator.url());
    reqwest::Client::builder().no_proxy().build().unwrap().get(url)
}

/// The same with the account's credentials.
pub(crate) fn get(simulator: &Simulator, resource: &str) -> RequestBuilder {
    anonymous(simulator, resource).basic_auth(ACCOUNT, Some(TOKEN))
}

pub(crate) async fn delete(simulator: &Simulator, sid: &RecordingSid) -> Response {
    let url = format!("{}2010-04-01/Accounts/{ACCOUNT}/Recordings/{sid}.json", simulator.url());
    reqwest::Client::new().delete(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap()
}

/// Status and Twilio's error code of a JSON answer.
pub(crate) async fn error(request: RequestBuilder) -> (u16, u64) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["code"].as_u64().unwrap())
}

/// SHA-256, as the workspace's crypto provider computes it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A callback as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path_and_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut fields = form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn field_names(&self) -> Vec<String> {
        form_urlencoded::parse(self.body.as_bytes()).map(|(name, _)| name.into_owned()).collect()
    }
}

/// Takes callbacks and answers as told.
pub(crate) struct Receiver {
    pub(crate) address: std::net::SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// `answer` is given how many came before.
    pub(crate) async fn start(answer: impl Fn(usize, &Received) -> u16 + Clone + Send + Sync + 'static) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 65_536).await.unwrap();
            let callback = Received {
                method: parts.method.to_string(),
                path_and_query: parts.uri.to_string(),
                headers: parts.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let mut log = log.lock().unwrap();
            let status = answer(log.len(), &callback);
            log.push(callback);
            StatusCode::from_u16(status).unwrap()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, received }
    }

    /// Answers 200.
    pub(crate) async fn accepting(simulator: &Simulator) -> Self {
        let receiver = Self::start(|_, _| 200).await;
        simulator.set_callback(PUBLIC_URL.parse().unwrap(), Some(receiver.address));
        receiver
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// As configured at Twilio; it leads nowhere, callbacks connect to the receiver.
pub(crate) const PUBLIC_URL: &str = "https://voice.example.com/webhooks/recording?tenant=t1";

/// Sends a call's callbacks and gives the only one.
pub(crate) async fn only_callback(plan: CallPlan) -> (Received, PlannedRecording) {
    let simulator = start().await;
    let receiver = Receiver::accepting(&simulator).await;
    let planned = simulator.place_call(plan).await;
    let mut received = receiver.received();
    assert_eq!(received.len(), 1);
    (received.remove(0), planned)
}

/// Runs a Python script of this folder in the venv with the official libraries: JSON in, JSON out.
pub(crate) async fn python(script: &'static str, input: Value) -> Value {
    tokio::task::spawn_blocking(move || run_python(script, &input)).await.unwrap()
}

fn run_python(script: &str, input: &Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = folder.join("../target/test-tools/venv");
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "these tests need the official libraries: python3 -m venv target/test-tools/venv && \
         target/test-tools/venv/bin/pip install twilio deepgram-sdk openai cryptography"
    );
    let mut child = Command::new(python)
        .arg(folder.join("tests/wire").join(script))
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}
