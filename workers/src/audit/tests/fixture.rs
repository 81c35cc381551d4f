//! What the tests have in common: an audit, and recordings brought to where a test begins.

use bytes::Bytes;
use catalog::{PurgeDecision, PurgePermit, StoredMedia, StoredTranscript, Work};
use futures::{StreamExt, stream};
use queue::{Job, Lane, Options, Settlement, Stage};
use simulator::{CallPlan, Simulator, SimulatorConfig};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use twilio::{MediaFormat, Recording};
use vault::{ObjectKey, S3Options};

use super::super::*;
use crate::testing::client;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
const ARCHIVE_ONLY: Expects = Expects { transcribe: false, deliver: false };

/// An audit of a fleet of which an hour ago everything was done.
pub(super) struct Fixture {
    pub(super) simulator: Simulator,
    pub(super) audit: Audit,
    pub(super) folder: TempDir,
}

impl Fixture {
    pub(super) async fn new() -> Fixture {
        let config = SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            account_sid: ACCOUNT.parse().unwrap(),
            auth_token: "token".into(),
            callback_url: None,
            callback_target: None,
            seed: 7,
        };
        let (simulator, folder) = (Simulator::start(config).await.unwrap(), tempfile::tempdir().unwrap());
        let path = |name: &str| folder.path().join(name).display().to_string();
        // Files have the system's clock.
        let clock = Clock::manual(Clock::System.now() + TimeDelta::hours(1));
        let options = Options { lease: LEASE, clock: clock.clone() };
        let catalog = Catalog::connect(&format!("sqlite:{}", path("catalog.db"))).await.unwrap();
        catalog.migrate().await.unwrap();
        let store = vault::open_store(&format!("file:{}", path("vault")), S3Options::default()).await.unwrap();
        store.prepare().await.unwrap();
        let audit = Audit {
            queue: queue::open(&format!("sqlite:{}", path("queue.db")), options).await.unwrap(),
            catalog,
            store: Some(store),
            vault: None,
            twilio: client(ACCOUNT, simulator.url()),
            accounts: vec![ACCOUNT.parse().unwrap()],
            policy: Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None },
            expects: ARCHIVE_ONLY,
            stuck_after: Duration::from_secs(900),
            retention_every: Duration::from_secs(3600),
            window: AuditWindow::default(),
            repairs: false,
            actor: "anna".to_owned(),
            clock,
        };
        Fixture { simulator, audit, folder }
    }

    pub(super) fn began(&self) -> DateTime<Utc> {
        self.audit.clock.now() - TimeDelta::hours(1)
    }

    /// The recording that Twilio has by this index, as it says.
    pub(super) async fn at_twilio(&self, index: u64) -> Recording {
        let sid = self.simulator.add_recording(CallPlan::nth(index, self.began())).recording_sid;
        self.audit.twilio.recording(&self.audit.accounts[0], &sid).await.unwrap()
    }

    pub(super) async fn heard(&self, index: u64) -> Recording {
        let recording = self.at_twilio(index).await;
        self.audit.catalog.hear(&recording, self.began()).await.unwrap();
        recording
    }

    pub(super) async fn archived(&self, index: u64) -> (Recording, ObjectKey) {
        let (recording, now) = (self.heard(index).await, self.began());
        let catalog = &self.audit.catalog;
        let key = ObjectKey::recording(&recording.account_sid, &recording.recording_sid, now.date_naive(), "wav");
        let claim = catalog.claim(&recording.recording_sid, Work::Archive, LEASE, now).await.unwrap().unwrap();
        catalog.stage_media(&claim, key.as_str(), MediaFormat::Wav, now).await.unwrap();
        let media = StoredMedia {
            bytes: 3,
            sha256: "5a".repeat(32),
            sealed_bytes: self.put(&key).await,
            channels: Some(1),
            duration_secs: Some(1.0),
            flags: Vec::new(),
        };
        catalog.store_media(&claim, &media, now).await.unwrap();
        catalog.release_claim(&claim, now).await.unwrap();
        (recording, key)
    }

    pub(super) async fn transcribed(&self, index: u64) -> (Recording, ObjectKey) {
        let ((recording, _), now) = (self.archived(index).await, self.began());
        let catalog = &self.audit.catalog;
        let key = ObjectKey::transcript(&recording.account_sid, &recording.recording_sid, now.date_naive(), 1);
        let claim = catalog.claim(&recording.recording_sid, Work::Transcribe, LEASE, now).await.unwrap().unwrap();
        catalog.stage_transcript(&claim, 1, "deepgram", key.as_str(), now).await.unwrap();
        let (provider, model, language) = ("deepgram".to_owned(), "nova-3".to_owned(), "en".to_owned());
        let sealed_bytes = self.put(&key).await;
        let stored = StoredTranscript { version: 1, provider, model, language, words: 1, sealed_bytes };
        catalog.store_transcript(&claim, &stored, now).await.unwrap();
        catalog.release_claim(&claim, now).await.unwrap();
        (recording, key)
    }

    pub(super) async fn put(&self, key: &ObjectKey) -> u64 {
        let body = stream::iter([Ok(Bytes::from_static(b"sealed"))]).boxed();
        self.audit.store.as_ref().unwrap().put(key, body, None).await.unwrap()
    }

    pub(super) async fn remove(&self, key: &ObjectKey) {
        self.audit.store.as_ref().unwrap().delete(key).await.unwrap();
    }

    /// A tombstone, as the purge stage writes it; Twilio's copy stays.
    pub(super) async fn buried(&self, index: u64) -> (Recording, ObjectKey) {
        let (recording, key) = self.archived(index).await;
        let (catalog, now) = (&self.audit.catalog, self.audit.clock.now());
        catalog.request_erasure(&recording.recording_sid, "asked for", "anna", now).await.unwrap();
        let permit = self.granted(&recording.recording_sid).await;
        self.remove(&key).await;
        catalog.complete_purge(permit, "seen to be gone", now).await.unwrap();
        (recording, key)
    }

    /// Marked for deletion now, and claimed by whoever is to delete it.
    pub(super) async fn granted(&self, sid: &RecordingSid) -> PurgePermit {
        let (catalog, now) = (&self.audit.catalog, self.audit.clock.now());
        match catalog.grant_purge(sid, &self.audit.policy, LEASE, now).await.unwrap() {
            PurgeDecision::Granted(permit) => permit,
            decision => panic!("granted was expected, not {decision:?}"),
        }
    }

    pub(super) async fn looked(&self) -> (Vec<Finding>, AuditSummary) {
        let mut findings = Vec::new();
        let mut tell = |entry: &AuditEntry| {
            if let AuditEntry::Exception(finding) = entry {
                findings.push(finding.clone());
            }
        };
        let summary = self.audit.run(&mut tell).await.unwrap();
        (findings, summary)
    }

    /// How many exceptions are told, where `meanwhile` is done to the other of `sids` as soon as one of them is.
    pub(super) async fn told_while(
        &self,
        sids: &[RecordingSid; 2],
        mut meanwhile: impl AsyncFnMut(&RecordingSid) + Send,
    ) -> usize {
        let mut told = 0;
        let mut tell = |entry: &AuditEntry| {
            let AuditEntry::Exception(finding) = entry else { return };
            told += 1;
            let other = sids.iter().find(|sid| finding.recording_sid.as_ref() != Some(sid)).unwrap();
            block_in_place(|| Handle::current().block_on(meanwhile(other)));
        };
        self.audit.run(&mut tell).await.unwrap();
        told
    }

    pub(super) async fn exceptions(&self) -> Vec<Exception> {
        self.looked().await.0.into_iter().map(|finding| finding.exception).collect()
    }

    /// Audits and repairs; what was done about the only exception.
    pub(super) async fn repaired(&mut self) -> Option<String> {
        self.audit.repairs = true;
        let (findings, _) = self.looked().await;
        self.audit.repairs = false;
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        finding.repair.clone()
    }

    pub(super) async fn queued(&self, stage: Stage) -> Vec<Job> {
        let deliveries = self.audit.queue.receive(Lane::live(stage), 10, Duration::ZERO).await.unwrap();
        deliveries.iter().map(|delivery| delivery.job().unwrap()).collect()
    }

    pub(super) async fn dead_letter(&self, recording: &Recording, reason: &str) {
        let job = Job::ArchiveV1 { recording: recording.clone(), received_at: self.began(), is_backfill: false };
        self.audit.queue.publish(&job, Duration::ZERO).await.unwrap();
        let lane = Lane::live(Stage::Archive);
        let delivery = self.audit.queue.receive(lane, 1, Duration::ZERO).await.unwrap().remove(0);
        let reason = reason.to_owned();
        self.audit.queue.settle(delivery, Settlement::DeadLetter { reason }).await.unwrap();
    }
}
