use std::sync::Mutex;

use async_trait::async_trait;
use futures::stream::BoxStream;
use queue::Options;
use simulator::{CallPlan, MediaPlan, Simulator, SimulatorConfig};
use tempfile::TempDir;
use vault::{ByteStream, ObjectMeta, ObjectStore, S3Options, StoreError};

use super::*;
use crate::testing::client;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const BYTES: u64 = 1_000_044;

/// A folder that notes what lengths it was told.
#[derive(Debug)]
struct Noting(Arc<dyn ObjectStore>, Mutex<Vec<Option<u64>>>);

#[async_trait]
impl ObjectStore for Noting {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.prepare().await
    }

    async fn put(&self, key: &ObjectKey, body: ByteStream, bytes: Option<u64>) -> Result<u64, StoreError> {
        self.1.lock().unwrap().push(bytes);
        self.0.put(key, body, bytes).await
    }

    async fn get(&self, key: &ObjectKey, start: u64, end: Option<u64>) -> Result<ByteStream, StoreError> {
        self.0.get(key, start, end).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError> {
        self.0.head(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        self.0.list(prefix)
    }

    async fn count_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        self.0.count_unfinished(older_than).await
    }

    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        self.0.sweep_unfinished(older_than).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.check().await
    }
}

/// An archive stage over a folder, and a Twilio.
async fn stage(folder: &TempDir) -> (Archive, Arc<Noting>, Simulator) {
    let config = SimulatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        account_sid: ACCOUNT.parse().unwrap(),
        auth_token: "token".into(),
        callback_url: None,
        callback_target: None,
        seed: 7,
    };
    let simulator = Simulator::start(config).await.unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let clock = Clock::manual("2026-11-20T09:00:00Z".parse().unwrap());
    let options = Options { lease: Duration::from_secs(60), clock: clock.clone() };
    let catalog = Catalog::connect(&format!("sqlite:{}", path("catalog.db"))).await.unwrap();
    catalog.migrate().await.unwrap();
    let store = vault::open_store(&format!("file:{}", path("vault")), S3Options::default()).await.unwrap();
    store.prepare().await.unwrap();
    let noting = Arc::new(Noting(store, Mutex::default()));
    let recipients = vault::generate_identity_file(&folder.path().join("identity.txt")).unwrap();
    let archive = Archive {
        queue: queue::open(&format!("sqlite:{}", path("queue.db")), options).await.unwrap(),
        catalog,
        vault: Vault::new(Arc::clone(&noting) as Arc<dyn ObjectStore>, recipients, None),
        twilio: client(ACCOUNT, simulator.url()),
        clock,
        format: MediaFormat::Wav,
        budget: MemoryBudget::new(16),
        transcribes: false,
        purges_at_once: false,
        is_backfill: false,
    };
    (archive, noting, simulator)
}

#[tokio::test(flavor = "multi_thread")]
async fn first_attempt_tells_the_store_the_length_and_one_after_it_broke_off_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, noting, simulator) = stage(&folder).await;
    let now = archive.clock.now();
    for (index, has_broken_off) in [(0, false), (1, true)] {
        let media = MediaPlan::Synthetic { bytes: BYTES };
        let sid = simulator.add_recording(CallPlan { media, ..CallPlan::nth(index, now) }).recording_sid;
        let recording = archive.twilio.recording(&ACCOUNT.parse().unwrap(), &sid).await.unwrap();
        if has_broken_off {
            archive.catalog.hear(&recording, now).await.unwrap();
            let lease = Duration::from_secs(60);
            let claim = archive.catalog.claim(&sid, Work::Archive, lease, now).await.unwrap().unwrap();
            archive.catalog.stage_media(&claim, "recordings/begun.wav.age", MediaFormat::Wav, now).await.unwrap();
            archive.catalog.release_claim(&claim, now).await.unwrap();
        }
        assert_eq!(archive.handle(&recording, now, &CancellationToken::new()).await, Ok("archived"));
    }
    let told = noting.1.lock().unwrap().clone();
    assert!(matches!(told[..], [Some(sealed), None] if sealed > BYTES), "{told:?}");
}
