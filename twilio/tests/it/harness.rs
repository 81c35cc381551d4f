//! A simulated account, a client that knows its credentials, and time that goes fast.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use simulator::{CallPlan, Faults, MediaPlan, Simulator, SimulatorConfig};
use tokio::time::Instant;
use twilio::{AccountSid, Client, ClientConfig, Credentials, Media, MediaFormat, RecordingSid, TwilioError};
use url::Url;

pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "a-token-of-the-simulated-account";
/// An account that no simulator knows.
pub(crate) const OTHER_ACCOUNT: &str = "ACffffffffffffffffffffffffffffffff";
pub(crate) const RECORDING: &str = "RE0123456789abcdef0123456789abcdef";
/// `ACCOUNT:TOKEN` in base64, as coreutils' `base64` writes it (RFC 7617).
pub(crate) const AUTHORIZATION: &str =
    "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjphLXRva2VuLW9mLXRoZS1zaW11bGF0ZWQtYWNjb3VudA==";

/// Indices of a clip with one channel and of one with two.
pub(crate) const MONO: usize = 0;
pub(crate) const DUAL: usize = 1;

pub(crate) fn account() -> AccountSid {
    ACCOUNT.parse().unwrap()
}

pub(crate) fn other_account() -> AccountSid {
    OTHER_ACCOUNT.parse().unwrap()
}

/// A recording that only peers know which do not care.
pub(crate) fn some_recording() -> RecordingSid {
    RECORDING.parse().unwrap()
}

pub(crate) fn credentials(account: &str, token: &str) -> Credentials {
    Credentials { user: account.to_owned(), secret: token.into() }
}

/// The account's credentials, limits that are not felt, and the time-out that callvault uses.
pub(crate) fn config(api_url: Url) -> ClientConfig {
    ClientConfig {
        api_url,
        credentials: credentials(ACCOUNT, TOKEN),
        account_credentials: HashMap::new(),
        max_concurrency: 16,
        requests_per_second: 100_000,
        request_timeout: Duration::from_secs(30),
    }
}

pub(crate) fn client(api_url: Url) -> Client {
    Client::new(config(api_url)).unwrap()
}

/// A simulator and a client of it.
pub(crate) async fn simulated() -> (Simulator, Client) {
    let config = SimulatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        account_sid: account(),
        auth_token: TOKEN.into(),
        callback_url: None,
        callback_target: None,
        seed: 7,
    };
    let simulator = Simulator::start(config).await.unwrap();
    let client = client(simulator.url());
    (simulator, client)
}

/// With these faults in force.
pub(crate) async fn faulty(faults: Faults) -> (Simulator, Client) {
    let (simulator, client) = simulated().await;
    simulator.set_faults(faults);
    (simulator, client)
}

/// 2026-03-24 18:15:40 UTC.
pub(crate) fn started_at() -> DateTime<Utc> {
    "2026-03-24T18:15:40Z".parse().unwrap()
}

/// Adds a recording; each index starts a minute after the one before.
pub(crate) fn add(simulator: &Simulator, index: u64, media: MediaPlan) -> RecordingSid {
    let minutes = TimeDelta::minutes(i64::try_from(index).unwrap());
    let plan = CallPlan { media, ..CallPlan::nth(index, started_at() + minutes) };
    simulator.add_recording(plan).recording_sid
}

pub(crate) fn add_clip(simulator: &Simulator, clip: usize) -> RecordingSid {
    add(simulator, 0, MediaPlan::Clip(clip))
}

/// The WAV as a stream, one way of asking for it.
pub(crate) async fn wav(client: &Client, sid: &RecordingSid) -> Result<Media, TwilioError> {
    client.media(&account(), sid, MediaFormat::Wav, None).await
}

/// What came of the media before it ended, and the error it ended with.
pub(crate) async fn drained(mut media: Media) -> (Vec<u8>, Option<TwilioError>) {
    let mut bytes = Vec::new();
    loop {
        match media.body.try_next().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

/// The whole media.
pub(crate) async fn whole(media: Media) -> Result<Vec<u8>, TwilioError> {
    let (bytes, error) = drained(media).await;
    error.map_or(Ok(bytes), Err)
}

/// What comes of `future`, which nothing should hold up.
pub(crate) async fn unhindered<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("held up")
}

/// Waits until it is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    unhindered(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Runs `future` while tokio's clock goes about a hundred times as fast as it should, for pauses and time-outs. Left to
/// itself a paused clock would jump to the next time-out whenever an answer is still on its way.
pub(crate) async fn hurried<T>(future: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let began = Instant::now();
    let mut future = pin!(future);
    let result = loop {
        // A blocking task under way also keeps the clock from jumping.
        let tick = tokio::task::spawn_blocking(|| std::thread::park_timeout(Duration::from_millis(2)));
        tokio::select! {
            biased;
            result = &mut future => break result,
            _ = tick => tokio::time::advance(Duration::from_millis(200)).await,
        }
        assert!(began.elapsed() < Duration::from_secs(1200), "still waiting after twenty minutes of its time");
    };
    tokio::time::resume();
    result
}
