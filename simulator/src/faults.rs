//! What goes wrong, and when: every fault is a counter, so that a run can be repeated.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use twilio::{AccountSid, RecordingSid};

/// The faults in force. Off by default. `…_every: n` strikes every n-th request that could suffer it (the n-th, the
/// 2n-th…); one request suffers one fault, the first that is due in the order of the fields here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Most Twilio requests at once, bodies included; more get 429 with code 20429.
    pub concurrency_limit: Option<u32>,
    /// Every Twilio request of this account: 429 with code 20429.
    pub throttle_account: Option<AccountSid>,
    /// Twilio requests: 429 with code 20429.
    pub throttle_every: Option<u32>,
    /// `Retry-After` of every 429 and 503, in seconds; absent when not set.
    pub retry_after_secs: Option<u64>,
    /// Twilio requests: 500 and 503 in turn.
    pub server_error_every: Option<u32>,
    /// List requests: 503.
    pub list_error_every: Option<u32>,
    /// Most recordings on a page of a list, whatever was asked for.
    pub list_page_max: Option<u32>,
    /// Delete requests: 500, and nothing is deleted.
    pub delete_error_every: Option<u32>,
    /// How often each recording's media is 404 before it is there.
    pub media_404_first: u32,
    /// Media: an XML error page with status 200, labelled as XML and as audio in turn.
    pub xml_error_as_200_every: Option<u32>,
    /// Media: half of the promised bytes, then the connection is closed.
    pub cut_body_every: Option<u32>,
    /// Media: half of the promised bytes, then silence until the client leaves or the simulator stops.
    pub stall_body_every: Option<u32>,
    /// Media: all of the bytes, but Content-Length promised 512 more.
    pub wrong_length_every: Option<u32>,
    /// Media: `Range` is ignored; the whole is sent with 200.
    pub ignore_range: bool,
    /// Media: no Content-Length, chunked encoding.
    pub chunked_media: bool,
    /// Transcriptions: 500 and 503 in turn.
    pub transcriber_error_every: Option<u32>,
    /// Transcriptions: 429.
    pub transcriber_throttle_every: Option<u32>,
    /// Transcriptions: 400, as for audio it cannot read.
    pub transcriber_refusal_every: Option<u32>,
    /// How long a transcription takes, in milliseconds.
    pub transcriber_delay_ms: u64,
}

/// What is wrong with one media answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaFault {
    XmlAsXml,
    XmlAsAudio,
    CutBody,
    StallBody,
    WrongLength,
}

/// The faults in force and how far each has counted.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    faults: Faults,
    counts: BTreeMap<&'static str, u32>,
    media_404: HashMap<RecordingSid, u32>,
}

impl Injector {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn is_throttled(&mut self) -> bool {
        self.is_due("throttle", self.faults.throttle_every)
    }

    pub(crate) fn server_error(&mut self) -> Option<u16> {
        self.error_in_turn("server error", self.faults.server_error_every)
    }

    pub(crate) fn is_list_error(&mut self) -> bool {
        self.is_due("list error", self.faults.list_error_every)
    }

    pub(crate) fn is_delete_error(&mut self) -> bool {
        self.is_due("delete error", self.faults.delete_error_every)
    }

    pub(crate) fn is_media_missing(&mut self, sid: &RecordingSid) -> bool {
        if self.faults.media_404_first == 0 {
            return false;
        }
        let misses = self.media_404.entry(sid.clone()).or_default();
        *misses = misses.saturating_add(1);
        *misses <= self.faults.media_404_first
    }

    pub(crate) fn media_fault(&mut self) -> Option<MediaFault> {
        if self.is_due("xml as 200", self.faults.xml_error_as_200_every) {
            let is_odd = self.in_turn("xml as 200 struck");
            return Some(if is_odd { MediaFault::XmlAsXml } else { MediaFault::XmlAsAudio });
        }
        if self.is_due("cut body", self.faults.cut_body_every) {
            return Some(MediaFault::CutBody);
        }
        if self.is_due("stall body", self.faults.stall_body_every) {
            return Some(MediaFault::StallBody);
        }
        self.is_due("wrong length", self.faults.wrong_length_every).then_some(MediaFault::WrongLength)
    }

    /// 400, 429, 500 or 503.
    pub(crate) fn transcriber_error(&mut self) -> Option<u16> {
        let (throttle, refusal) = (self.faults.transcriber_throttle_every, self.faults.transcriber_refusal_every);
        let error = self.error_in_turn("transcriber error", self.faults.transcriber_error_every);
        let error = error.or_else(|| self.is_due("transcriber throttle", throttle).then_some(429));
        error.or_else(|| self.is_due("transcriber refusal", refusal).then_some(400))
    }

    fn error_in_turn(&mut self, name: &'static str, every: Option<u32>) -> Option<u16> {
        self.is_due(name, every).then(|| if self.in_turn("error struck") { 500 } else { 503 })
    }

    /// Counts one request that could suffer the fault; true for every n-th.
    fn is_due(&mut self, name: &'static str, every: Option<u32>) -> bool {
        let Some(every) = every.filter(|every| *every > 0) else {
            return false;
        };
        let count = self.counts.entry(name).or_default();
        *count = count.wrapping_add(1);
        count.is_multiple_of(every)
    }

    /// True the first, third, fifth… time.
    fn in_turn(&mut self, name: &'static str) -> bool {
        let count = self.counts.entry(name).or_default();
        *count = count.wrapping_add(1);
        *count % 2 == 1
    }
}
