//! A running service, and callbacks to send to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callvault_ingest::{IngestConfig, Limits, MetricsPage};
use chrono::{DateTime, Utc};
use queue::{Clock, Job, Lane, Options, Queue, Settlement, Stage};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twilio::{AccountSid, Algorithm, SigningKeys};

use crate::raw_http::{Answer, exchange, request};

pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const SUBACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(crate) const CALL: &str = "CAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(crate) const RECORDING: &str = "REcccccccccccccccccccccccccccccccc";
pub(crate) const TOKEN: &str = "12345";
pub(crate) const SUBACCOUNT_TOKEN: &str = "67890";
pub(crate) const SHARED_KEY_ID: &str = "webhooks_sharedkey_1";
pub(crate) const SHARED_KEY: &str = "shared secret";
pub(crate) const PUBLIC_URL: &str = "https://voice.example.com";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// What the service's clock shows.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-20T09:00:00Z").unwrap().to_utc()
}

/// The service on a port of its own, over a queue in a folder of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    pub(crate) folder: TempDir,
}

/// How a service is started; [`Setup::default`] is right for most tests.
pub(crate) struct Setup {
    pub(crate) public_url: &'static str,
    /// Accounts and their auth tokens.
    pub(crate) accounts: Vec<(&'static str, &'static str)>,
    pub(crate) publish_timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) metrics_page: Option<MetricsPage>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            public_url: PUBLIC_URL,
            accounts: vec![(ACCOUNT, TOKEN), (SUBACCOUNT, SUBACCOUNT_TOKEN)],
            publish_timeout: Duration::from_secs(4),
            limits: Limits::default(),
            metrics_page: None,
        }
    }
}

impl Setup {
    pub(crate) fn config(&self) -> IngestConfig {
        let mut signing_keys = SigningKeys::new();
        for (account, token) in &self.accounts {
            signing_keys.add_auth_token(account.parse::<AccountSid>().unwrap(), (*token).into());
        }
        signing_keys.add_shared_key(SHARED_KEY_ID.to_owned(), SHARED_KEY.into());
        let public_base_url = self.public_url.parse().unwrap();
        IngestConfig { public_base_url, signing_keys, publish_timeout: self.publish_timeout }
    }

    pub(crate) async fn start(self) -> Service {
        let folder = tempfile::tempdir().unwrap();
        let queue = open_queue(&folder).await;
        let router = callvault_ingest::router(
            self.config(),
            Arc::clone(&queue),
            Clock::manual(now()),
            self.metrics_page.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(callvault_ingest::serve(router, listener, self.limits, shutdown.clone()));
        Service { address, queue, shutdown, serving, folder }
    }
}

pub(crate) async fn open_queue(folder: &TempDir) -> Arc<dyn Queue> {
    let url = format!("sqlite:{}", folder.path().join("queue.db").display());
    let options = Options { lease: Duration::from_secs(60), clock: Clock::manual(now()) };
    queue::open(&url, options).await.unwrap()
}

pub(crate) async fn start() -> Service {
    Setup::default().start().await
}

impl Service {
    pub(crate) async fn send(&self, callback: &Callback) -> Answer {
        exchange(self.address, &callback.request()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        exchange(self.address, &request("GET", target, &[], b"")).await
    }

    /// Takes all that is queued, and leaves the queue empty.
    pub(crate) async fn queued(&self) -> Vec<Job> {
        take_all(self.queue.as_ref()).await
    }
}

pub(crate) async fn take_all(queue: &dyn Queue) -> Vec<Job> {
    let mut jobs = Vec::new();
    while queue.depth(Stage::Archive).await.unwrap().ready > 0 {
        for delivery in queue.receive(Lane::live(Stage::Archive), 10, Duration::ZERO).await.unwrap() {
            jobs.push(delivery.job().unwrap());
            queue.settle(delivery, Settlement::Ack).await.unwrap();
        }
    }
    jobs
}

/// A callback as Twilio sends it; tests change what they are about before it is signed or after.
#[derive(Clone)]
pub(crate) struct Callback {
    pub(crate) method: &'static str,
    /// The public base URL set at Twilio, and the route with its query.
    pub(crate) base: &'static str,
    pub(crate) target: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) token: &'static str,
    pub(crate) content_type: &'static str,
    /// Instead of the signature that is right.
    pub(crate) signature: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Callback {
    pub(crate) fn recording() -> Self {
        let params = [
            ("AccountSid", ACCOUNT),
            ("CallSid", CALL),
            ("ErrorCode", "0"),
            ("RecordingChannels", "2"),
            ("RecordingDuration", "13"),
            ("RecordingSid", RECORDING),
            ("RecordingSource", "DialVerb"),
            ("RecordingStartTime", "Tue, 24 Mar 2026 18:15:40 +0000"),
            ("RecordingStatus", "completed"),
            ("RecordingTrack", "both"),
            ("RecordingUrl", "https://api.twilio.com/2010-04-01/Accounts/ACaa/Recordings/REcc"),
        ];
        Self::to("/webhooks/recording", &params)
    }

    /// Call progress of a call that ended, with the phone numbers such callbacks carry.
    pub(crate) fn call_progress() -> Self {
        let params = [
            ("AccountSid", ACCOUNT),
            ("CallSid", CALL),
            ("CallStatus", "completed"),
            ("CallbackSource", "call-progress-events"),
            ("From", "+14158675309"),
            ("SequenceNumber", "3"),
            ("To", "+18005551212"),
        ];
        Self::to("/webhooks/voice/status", &params)
    }

    fn to(target: &str, params: &[(&str, &str)]) -> Self {
        Self {
            method: "POST",
            base: PUBLIC_URL,
            target: target.to_owned(),
            params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            token: TOKEN,
            content_type: "application/x-www-form-urlencoded; charset=UTF-8",
            signature: None,
            headers: Vec::new(),
        }
    }

    /// With `value` for the parameter `name`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.params.retain(|(present, _)| present != name);
        self
    }

    /// Sent by GET: the parameters follow the query the URL has already.
    pub(crate) fn by_get(mut self) -> Self {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{separator}{}", self.target, self.encoded());
        self.params.clear();
        self.method = "GET";
        self
    }

    pub(crate) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish()
    }

    pub(crate) fn right_signature(&self) -> String {
        let key = SecretString::from(self.token);
        twilio::sign(&format!("{}{}", self.base, self.target), &self.params, &key, Algorithm::HmacSha1)
    }

    /// The request, signed unless the test set a signature.
    pub(crate) fn request(&self) -> Vec<u8> {
        self.request_with_body(self.encoded().as_bytes())
    }

    /// The request with another body than was signed.
    pub(crate) fn request_with_body(&self, body: &[u8]) -> Vec<u8> {
        let signature = self.signature.clone().unwrap_or_else(|| self.right_signature());
        let mut headers = vec![("X-Twilio-Signature", signature.as_str())];
        if self.method == "POST" {
            headers.push(("Content-Type", self.content_type));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers.retain(|(_, value)| !value.is_empty());
        let body = if self.method == "POST" { body } else { b"" };
        request(self.method, &self.target, &headers, body)
    }
}

/// The recording of an archive job.
pub(crate) fn archived(job: &Job) -> (&twilio::Recording, DateTime<Utc>) {
    match job {
        Job::ArchiveV1 { recording, received_at, .. } => (recording, *received_at),
        other => panic!("not an archive job: {other:?}"),
    }
}
