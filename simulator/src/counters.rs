//! What was asked of the simulator and what it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::state::locked;

/// A look at the counters, also the JSON of `GET /simulator/counters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests by endpoint: `recording`, `media`, `list`, `delete`, `deepgram`, `openai`, `models`.
    pub requests: BTreeMap<String, u64>,
    /// Answers by endpoint and status, as in `media 429`.
    pub responses: BTreeMap<String, u64>,
    /// Most Twilio requests under way at once, bodies included.
    pub in_flight_max: u64,
    /// Most media downloads under way at once.
    pub media_in_flight_max: u64,
    /// Most transcriptions under way at once.
    pub transcriber_in_flight_max: u64,
    /// Most Twilio requests begun within one second (whole seconds since start).
    pub requests_per_second_max: u64,
    /// Media bytes handed to the network.
    pub media_bytes: u64,
    /// Recordings deleted.
    pub deletes: u64,
    /// Genuine callback requests sent, retries included.
    pub callbacks_sent: u64,
    /// Genuine callbacks answered 2xx.
    pub callbacks_accepted: u64,
    /// Genuine callback requests that were repeats of one that failed.
    pub callbacks_retried: u64,
    /// Genuine callbacks given up, as Twilio gives up after its retries.
    pub callbacks_lost: u64,
    /// Forged callbacks sent.
    pub callbacks_forged: u64,
    /// Forged callbacks refused, as all should be.
    pub callbacks_refused: u64,
    /// Finished transcriptions by SHA-256 of the audio received.
    pub transcriptions: BTreeMap<String, u64>,
}

impl Counters {
    /// All requests to one endpoint.
    pub fn requests_to(&self, endpoint: &str) -> u64 {
        self.requests.get(endpoint).copied().unwrap_or(0)
    }
}

/// Different hashes counted apart; further audio is counted under `other`, so that memory stays bounded.
const TRANSCRIPTIONS_MAX: usize = 200_000;

/// The living counters.
#[derive(Debug)]
pub(crate) struct Tally {
    started: Instant,
    state: Mutex<TallyState>,
}

#[derive(Debug, Default)]
struct TallyState {
    counters: Counters,
    in_flight: BTreeMap<Gauge, u64>,
    second: u64,
    requests_this_second: u64,
}

/// What can be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gauge {
    Twilio,
    Media,
    Transcriber,
}

/// One thing under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    tally: Arc<Tally>,
    gauge: Gauge,
    /// How many there were at its begin, itself included.
    pub(crate) others: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = locked(&self.tally.state);
        if let Some(count) = state.in_flight.get_mut(&self.gauge) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Tally {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), state: Mutex::default() })
    }

    /// Changes a counter.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut locked(&self.state).counters);
    }

    /// A request to `endpoint` has come.
    pub(crate) fn request(&self, endpoint: &str) {
        self.count(|counters| *counters.requests.entry(endpoint.to_owned()).or_default() += 1);
    }

    /// A request to `endpoint` was answered.
    pub(crate) fn response(&self, endpoint: &str, status: u16) {
        self.count(|counters| *counters.responses.entry(format!("{endpoint} {status}")).or_default() += 1);
    }

    /// Audio with this hash was transcribed.
    pub(crate) fn transcription(&self, sha256: &str) {
        self.count(|counters| {
            let is_full = counters.transcriptions.len() >= TRANSCRIPTIONS_MAX;
            let key = if is_full && !counters.transcriptions.contains_key(sha256) { "other" } else { sha256 };
            *counters.transcriptions.entry(key.to_owned()).or_default() += 1;
        });
    }

    /// Something begins.
    pub(crate) fn begin(self: &Arc<Self>, gauge: Gauge) -> InFlight {
        let mut state = locked(&self.state);
        let count = state.in_flight.entry(gauge).or_default();
        *count += 1;
        let now = *count;
        let max = match gauge {
            Gauge::Twilio => &mut state.counters.in_flight_max,
            Gauge::Media => &mut state.counters.media_in_flight_max,
            Gauge::Transcriber => &mut state.counters.transcriber_in_flight_max,
        };
        *max = now.max(*max);
        if gauge == Gauge::Twilio {
            state.tick(self.started.elapsed().as_secs());
        }
        InFlight { tally: Arc::clone(self), gauge, others: now }
    }

    pub(crate) fn look(&self) -> Counters {
        locked(&self.state).counters.clone()
    }

    /// Zero everywhere; what is under way stays under way.
    pub(crate) fn reset(&self) {
        let mut state = locked(&self.state);
        state.counters = Counters::default();
        state.requests_this_second = 0;
    }
}

impl TallyState {
    fn tick(&mut self, second: u64) {
        if self.second != second {
            self.second = second;
            self.requests_this_second = 0;
        }
        self.requests_this_second += 1;
        let max = &mut self.counters.requests_per_second_max;
        *max = self.requests_this_second.max(*max);
    }
}
