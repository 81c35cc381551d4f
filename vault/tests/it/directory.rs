//! The directory store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use vault::contract::Place;
use vault::{ObjectKey, ObjectStore, S3Options, StoreErrorKind, VaultError, open_store};

/// A folder of its own.
struct Directory {
    folder: tempfile::TempDir,
}

impl Directory {
    fn unfinished(&self) -> PathBuf {
        self.folder.path().join(".unfinished")
    }
}

async fn fresh() -> Directory {
    Directory { folder: tempfile::tempdir().unwrap() }
}

#[async_trait]
impl Place for Directory {
    async fn open(&self) -> Arc<dyn ObjectStore> {
        open_store(&format!("file:{}", self.folder.path().display()), S3Options::default()).await.unwrap()
    }

    async fn begin_and_die(&self, _key: &ObjectKey) {
        fs::create_dir_all(self.unfinished()).unwrap();
        fs::write(self.unfinished().join("begun"), b"half").unwrap();
    }

    async fn unfinished(&self) -> usize {
        fs::read_dir(Directory::unfinished(self)).map_or(0, Iterator::count)
    }
}

vault::contract_tests!(crate::directory::fresh);

fn body() -> vault::ByteStream {
    stream::iter([Ok(Bytes::from_static(b"content"))]).boxed()
}

#[tokio::test]
async fn objects_and_folders_are_their_owners_alone() {
    let place = fresh().await;
    let store = place.open().await;
    store.put(&"recordings/a/b.age".parse().unwrap(), body(), None).await.unwrap();
    let mode = |name: &str| fs::metadata(place.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("recordings"), mode("recordings/a"), mode("recordings/a/b.age")), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn folder_that_vanished_is_a_store_that_is_missing() {
    let place = fresh().await;
    let store = place.open().await;
    let key = "recordings/a/b.age".parse().unwrap();
    store.put(&key, body(), None).await.unwrap();
    fs::remove_dir_all(place.folder.path()).unwrap();
    let listed = store.list("recordings/").next().await.unwrap();
    for failed in [
        store.put(&key, body(), None).await.map(drop),
        store.head(&key).await.map(drop),
        store.get(&key, 0, None).await.map(drop),
        store.delete(&key).await,
        listed.map(drop),
    ] {
        let error = failed.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NoStore, "{error}");
        assert!(error.to_string().contains("is its disk mounted?"), "{error}");
    }
    fs::create_dir(place.folder.path()).unwrap();
}

/// The system opens a folder in an object's place, and fails to read it.
#[tokio::test]
async fn read_that_fails_is_a_store_that_fails_and_no_damaged_object() {
    let place = fresh().await;
    let store = place.open().await;
    let key = "recordings/a/b.age".parse().unwrap();
    store.put(&"recordings/a/b.age/c.age".parse().unwrap(), body(), None).await.unwrap();
    for (is_away, kind) in [(false, StoreErrorKind::Unavailable), (true, StoreErrorKind::NoStore)] {
        let mut reading = store.get(&key, 0, None).await.unwrap();
        if is_away {
            fs::rename(Directory::unfinished(&place), place.folder.path().join("elsewhere")).unwrap();
        }
        let error = VaultError::of_body(reading.next().await.unwrap().unwrap_err());
        assert!(matches!(&error, VaultError::Store(error) if error.kind == kind), "{error:?}");
    }
}
