//! What the cases have in common: a catalog, and recordings brought to where a case begins.

use std::any::Any;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use twilio::{AccountSid, CallSid, EncryptionDetails, MediaFormat, Recording, RecordingSid, RecordingStatus};

use crate::{
    Catalog, Claim, DueCursor, Policy, PurgeDecision, PurgePermit, RecordingRow, Span, StoredMedia, StoredTranscript,
    Sweep, Work,
};

/// A catalog of one's own, twice connected to.
pub struct Fixture {
    pub catalog: Catalog,
    /// The same catalog over connections of its own, as another process would have it.
    pub other: Catalog,
    _kept: Box<dyn Any + Send + Sync>,
}

pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const THIRTY_DAYS: Policy =
    Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None };
pub(super) const ACTOR: &str = "anna";

/// When every recording of the suite starts; it is heard of a minute later.
pub(super) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 9, 0, 0).unwrap()
}

pub(super) fn heard_at() -> DateTime<Utc> {
    start() + TimeDelta::minutes(1)
}

/// So many days after the start.
pub(super) fn day(days: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(days)
}

pub(super) fn sid(number: u32) -> RecordingSid {
    format!("RE{number:032x}").parse().unwrap()
}

pub(super) fn call_sid(number: u32) -> CallSid {
    format!("CA{number:032x}").parse().unwrap()
}

pub(super) fn account_sid() -> AccountSid {
    format!("AC{:032x}", 1).parse().unwrap()
}

/// What Twilio's callback says when recording `number` is complete.
pub(super) fn completed(number: u32) -> Recording {
    Recording {
        account_sid: account_sid(),
        recording_sid: sid(number),
        call_sid: Some(call_sid(number)),
        conference_sid: None,
        status: RecordingStatus::Completed,
        source: Some("RecordVerb".to_owned()),
        channels: Some(1),
        duration_secs: Some(12),
        started_at: Some(start()),
        error_code: None,
        encryption: None,
    }
}

/// The same, with nothing said but a word.
pub(super) fn bare(number: u32, status: RecordingStatus) -> Recording {
    Recording {
        call_sid: None,
        source: None,
        channels: None,
        duration_secs: None,
        started_at: None,
        status,
        ..completed(number)
    }
}

pub(super) fn encryption() -> EncryptionDetails {
    EncryptionDetails {
        public_key_sid: format!("CR{:032x}", 1),
        encrypted_cek: "a2V5".to_owned(),
        iv: "aXY=".to_owned(),
    }
}

pub(super) fn stored_media() -> StoredMedia {
    StoredMedia {
        bytes: 192_044,
        sha256: "5a".repeat(32),
        sealed_bytes: 192_300,
        channels: Some(1),
        duration_secs: Some(12.0),
        flags: Vec::new(),
    }
}

pub(super) fn object(number: u32) -> String {
    format!("recordings/{}/2026/11/20/{}.wav.age", account_sid(), sid(number))
}

pub(super) fn transcript_object(number: u32, version: u32) -> String {
    format!("transcripts/{}/2026/11/20/{}.v{version}.json.age", account_sid(), sid(number))
}

pub(super) fn stored_transcript(version: u32) -> StoredTranscript {
    StoredTranscript {
        version,
        provider: "deepgram".to_owned(),
        model: "nova-3".to_owned(),
        language: "en".to_owned(),
        words: 31,
        sealed_bytes: 900,
    }
}

impl Fixture {
    /// `catalog` and `other` are one catalog, empty and migrated; `kept` is kept as long as they are used.
    pub fn new(catalog: Catalog, other: Catalog, kept: impl Any + Send + Sync) -> Self {
        Fixture { catalog, other, _kept: Box::new(kept) }
    }

    pub(super) async fn hear(&self, recording: &Recording) -> RecordingRow {
        self.catalog.hear(recording, heard_at()).await.unwrap().row
    }

    pub(super) async fn row(&self, number: u32) -> RecordingRow {
        self.catalog.recording(&sid(number)).await.unwrap().unwrap()
    }

    pub(super) async fn claim(&self, number: u32, work: Work, now: DateTime<Utc>) -> Claim {
        self.catalog.claim(&sid(number), work, LEASE, now).await.unwrap().unwrap()
    }

    /// Heard of.
    pub(super) async fn received(&self, number: u32) {
        self.hear(&completed(number)).await;
    }

    /// Heard of and stored, at the time it was heard of.
    pub(super) async fn archived(&self, number: u32) {
        self.received(number).await;
        self.archive(number).await;
    }

    /// What was heard of, stored.
    pub(super) async fn archive(&self, number: u32) {
        self.archive_flagged(number, &[]).await;
    }

    pub(super) async fn archive_flagged(&self, number: u32, flags: &[&str]) {
        let claim = self.claim(number, Work::Archive, heard_at()).await;
        self.catalog.stage_media(&claim, &object(number), MediaFormat::Wav, heard_at()).await.unwrap();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let media = StoredMedia { flags, ..stored_media() };
        self.catalog.store_media(&claim, &media, heard_at()).await.unwrap();
        self.catalog.release_claim(&claim, heard_at()).await.unwrap();
    }

    /// Archived, and version 1 of its transcript stored.
    pub(super) async fn transcribed(&self, number: u32) {
        self.archived(number).await;
        self.transcribe(number, 1).await;
    }

    pub(super) async fn transcribe(&self, number: u32, version: u32) {
        let claim = self.staged_transcript(number, version).await;
        self.catalog.store_transcript(&claim, &stored_transcript(version), heard_at()).await.unwrap();
        self.catalog.release_claim(&claim, heard_at()).await.unwrap();
    }

    /// A claim under which `version` is staged.
    pub(super) async fn staged_transcript(&self, number: u32, version: u32) -> Claim {
        let claim = self.claim(number, Work::Transcribe, heard_at()).await;
        let object = transcript_object(number, version);
        self.catalog.stage_transcript(&claim, version, "deepgram", &object, heard_at()).await.unwrap();
        claim
    }

    pub(super) async fn hold(&self, number: u32) {
        self.catalog.place_hold(&sid(number), "a lawsuit", ACTOR, heard_at()).await.unwrap();
    }

    pub(super) async fn release(&self, number: u32, now: DateTime<Utc>) {
        self.catalog.release_hold(&sid(number), "settled", ACTOR, now).await.unwrap();
    }

    pub(super) async fn erase(&self, number: u32) {
        self.catalog.request_erasure(&sid(number), "asked for", ACTOR, heard_at()).await.unwrap();
    }

    /// All that were ever heard of.
    pub(super) async fn sids(&self) -> Vec<RecordingSid> {
        let page = self.catalog.page(Span::default(), None, 1000).await.unwrap();
        page.into_iter().map(|row| row.recording_sid).collect()
    }

    /// The numbers of the recordings that are due.
    pub(super) async fn due(&self, policy: &Policy, now: DateTime<Utc>) -> Vec<u32> {
        let due = self.catalog.due_for_purge(policy, now, None, 1000).await.unwrap();
        let count = self.catalog.overdue(policy, now).await.unwrap();
        assert_eq!(count, due.len() as u64, "the gauge counts what is due");
        let named: BTreeSet<_> = due.iter().map(|(_, sid)| sid.clone()).collect();
        assert_eq!(self.taken(policy, now).await, named, "a sweep takes what is due");
        for sid in self.sids().await {
            let is_due = self.catalog.is_due_for_purge(policy, now, &sid).await.unwrap();
            assert_eq!(is_due, due.iter().any(|(_, due)| *due == sid), "{sid} by itself is due as in the list");
        }
        due.iter().map(|(_, sid)| u32::from_str_radix(&sid.as_str()[2..], 16).unwrap()).collect()
    }

    /// What a sweep takes that leaves out nothing that another took or tries.
    async fn taken(&self, policy: &Policy, now: DateTime<Utc>) -> BTreeSet<RecordingSid> {
        let sweep = Sweep { began_at: now, now, again_before: DateTime::<Utc>::MAX_UTC };
        let (mut all, mut cursor) = (BTreeSet::new(), DueCursor::default());
        loop {
            let page = self.catalog.take_due_for_purge(policy, sweep, &mut cursor, 2).await.unwrap();
            if page.items().is_empty() {
                return all;
            }
            all.extend(page.items().iter().map(|(_, sid)| sid.clone()));
            page.keep().await.unwrap();
        }
    }

    pub(super) async fn decision(&self, number: u32, policy: &Policy, now: DateTime<Utc>) -> PurgeDecision {
        self.catalog.grant_purge(&sid(number), policy, LEASE, now).await.unwrap()
    }

    pub(super) async fn granted(&self, number: u32, policy: &Policy, now: DateTime<Utc>) -> PurgePermit {
        match self.decision(number, policy, now).await {
            PurgeDecision::Granted(permit) => permit,
            decision => panic!("granted was expected, not {decision:?}"),
        }
    }

    /// As if everything the permit names had been seen to be gone.
    pub(super) async fn complete(&self, permit: PurgePermit, now: DateTime<Utc>) -> RecordingRow {
        let sid = permit.recording_sid().clone();
        self.catalog.complete_purge(permit, "seen to be gone", now).await.unwrap();
        self.catalog.recording(&sid).await.unwrap().unwrap()
    }

    /// Deletes what is due.
    pub(super) async fn purge(&self, number: u32, policy: &Policy, now: DateTime<Utc>) -> RecordingRow {
        let permit = self.granted(number, policy, now).await;
        self.complete(permit, now).await
    }
}
