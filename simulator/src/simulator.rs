//! The handle on a running simulator.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use twilio::{AccountSid, RecordingSid};
use url::Url;

use crate::calls::{self, SimulatedRecording};
use crate::counters::Tally;
use crate::faults::Injector;
use crate::state::{CallbackTarget, State, locked};
use crate::{
    CallPlan, CallbackOutcome, Counters, Faults, PlannedRecording, SimulatorConfig, delivery, encryption, server,
};

/// Time to connect for a callback: Twilio's longest. What is in force for one callback is in its retry policy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running simulator. Clones share it; it stops when the last clone is dropped, or by [`stop`](Self::stop).
#[derive(Clone)]
pub struct Simulator {
    running: Arc<Running>,
}

struct Running {
    state: Arc<State>,
    address: SocketAddr,
    serving: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("address", &self.running.address).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Binds and serves. Fails where the address cannot be bound. Needs a tokio runtime, on which it runs.
    pub async fn start(config: SimulatorConfig) -> io::Result<Simulator> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(state(config)?);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server::run(listener, Arc::clone(&state), stop.clone()));
        let running = Running {
            state,
            address,
            serving: Mutex::new(Some(serving)),
            _stop_when_dropped: stop.clone().drop_guard(),
            stop,
        };
        Ok(Simulator { running: Arc::new(running) })
    }

    /// Base URL of all its APIs, without a path: for `TWILIO_API_URL` and `DEEPGRAM_API_URL`; OpenAI's base URL is this
    /// with `/v1`.
    pub fn url(&self) -> Url {
        let url = format!("http://{}", self.running.address);
        url.parse().expect("a socket address makes an URL")
    }

    /// The main account it plays.
    pub fn account_sid(&self) -> &AccountSid {
        &self.state().account_sid
    }

    /// The account's auth token.
    pub fn auth_token(&self) -> &SecretString {
        &self.state().auth_token
    }

    /// Stops serving and ends every connection, under way or not; returns when all its tasks are gone. Callbacks that
    /// another task is waiting for still go out. A second stop does nothing.
    pub async fn stop(self) {
        self.running.stop.cancel();
        let serving = locked(&self.running.serving).take();
        if let Some(serving) = serving {
            // Fails only if the server panicked, and then it is gone as well.
            let _ = serving.await;
        }
    }

    /// Sends callbacks to `public_url` from now on, connecting by plain HTTP to `target` where it is given. The URL's
    /// fragment may hold Twilio's connection overrides; without it a callback is sent again only, and once, where no
    /// connection came about.
    pub fn set_callback(&self, public_url: Url, target: Option<SocketAddr>) {
        *locked(&self.state().callback) = Some(CallbackTarget { public_url, target });
    }

    /// Lets an API key (SK…) in besides the account's own credentials.
    pub fn add_api_key(&self, sid: &str, secret: SecretString) {
        locked(&self.state().api_keys).push((sid.to_owned(), secret));
    }

    /// Plays this account too, with recordings and a token of its own.
    pub fn add_subaccount(&self, sid: AccountSid, auth_token: SecretString) {
        locked(&self.state().subaccounts).push((sid, auth_token));
    }

    /// The only key the transcribers take from now on. Before, Deepgram takes any and OpenAI none as well.
    pub fn set_transcriber_key(&self, key: SecretString) {
        *locked(&self.state().transcriber_key) = Some(key);
    }

    /// Moves the account's clock on: tombstones go after 40 days.
    pub fn advance_clock(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.state().clock_ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The account's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.state().now()
    }

    /// The recording exists at Twilio; nobody is told. Adding an index again changes nothing.
    pub fn add_recording(&self, plan: CallPlan) -> PlannedRecording {
        calls::add(self.state(), self.account_sid(), &plan).1
    }

    /// [`add_recording`](Self::add_recording) in one of its accounts; an index is one recording's, whosever it is.
    pub fn add_recording_of(&self, account_sid: &AccountSid, plan: CallPlan) -> PlannedRecording {
        calls::add(self.state(), account_sid, &plan).1
    }

    /// Gives a recording another status, such as `in-progress` or `processing`: no media, not to be deleted, until it
    /// is `completed`. False where there is no such recording.
    pub fn set_status(&self, recording_sid: &RecordingSid, status: &str) -> bool {
        locked(&self.state().account).set_status(recording_sid, status)
    }

    /// Sends one signed callback with this RecordingStatus; no retries. Status 0 where there was no answer within
    /// 15 seconds, no such recording or no callback URL.
    pub async fn send_callback(&self, recording_sid: &RecordingSid, status: &str) -> CallbackOutcome {
        let recording = locked(&self.state().account).get(recording_sid).cloned();
        match recording {
            Some(recording) => delivery::send_once(self.state(), &recording, status).await,
            None => CallbackOutcome::unsent(status),
        }
    }

    /// Adds the recording and sends its callbacks as the plan says, with Twilio's retries; returns when the last one was
    /// answered or given up (at most 15 seconds each).
    pub async fn place_call(&self, plan: CallPlan) -> PlannedRecording {
        calls::place(self.state(), self.account_sid(), &plan).await
    }

    /// [`place_call`](Self::place_call) in one of its accounts.
    pub async fn place_call_of(&self, account_sid: &AccountSid, plan: CallPlan) -> PlannedRecording {
        calls::place(self.state(), account_sid, &plan).await
    }

    /// Replaces the faults in force and starts their counters anew.
    pub fn set_faults(&self, faults: Faults) {
        *locked(&self.state().injector) = Injector::new(faults);
    }

    /// A look at the counters.
    pub fn counters(&self) -> Counters {
        self.state().tally.look()
    }

    /// Sets every counter to zero.
    pub fn reset_counters(&self) {
        self.state().tally.reset();
    }

    /// Every recording there is, by index. Hashes media not asked for before, which blocks for about a second for two
    /// gigabytes of synthetic media.
    pub fn recordings(&self) -> Vec<SimulatedRecording> {
        calls::truth(self.state())
    }

    /// The RSA private key (PKCS#8, DER) of the account's Voice Recording Encryption; one a process.
    pub fn encryption_private_key(&self) -> Vec<u8> {
        encryption::account_key_der()
    }

    fn state(&self) -> &State {
        &self.running.state
    }
}

fn state(config: SimulatorConfig) -> io::Result<State> {
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(io::Error::other)?;
    let target = config.callback_target;
    Ok(State {
        account_sid: config.account_sid,
        auth_token: config.auth_token,
        seed: config.seed,
        account: Mutex::default(),
        injector: Mutex::default(),
        tally: Tally::new(),
        callback: Mutex::new(config.callback_url.map(|public_url| CallbackTarget { public_url, target })),
        api_keys: Mutex::default(),
        subaccounts: Mutex::default(),
        transcriber_key: Mutex::default(),
        http,
        serial: 0.into(),
        clock_ahead_ms: 0.into(),
    })
}
