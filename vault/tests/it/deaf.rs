//! A store that says it deleted, and did not: an object lock, a replica that is behind, a proxy with a memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use vault::{
    ByteStream, ObjectKey, ObjectMeta, ObjectStore, S3Options, StoreError, Vault, VaultError, generate_identity_file,
    open_store,
};

/// All that a folder is, but what is asked to go stays.
#[derive(Debug)]
struct Deaf(Arc<dyn ObjectStore>);

#[async_trait]
impl ObjectStore for Deaf {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.prepare().await
    }

    async fn put(&self, key: &ObjectKey, body: ByteStream, bytes: Option<u64>) -> Result<u64, StoreError> {
        self.0.put(key, body, bytes).await
    }

    async fn get(&self, key: &ObjectKey, start: u64, end: Option<u64>) -> Result<ByteStream, StoreError> {
        self.0.get(key, start, end).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError> {
        self.0.head(key).await
    }

    async fn delete(&self, _key: &ObjectKey) -> Result<(), StoreError> {
        Ok(())
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

#[tokio::test]
async fn deletion_that_left_the_object_where_it_was_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&format!("file:{}", folder.path().display()), S3Options::default()).await.unwrap();
    let recipients = generate_identity_file(&folder.path().join("identity.txt")).unwrap();
    let vault = Vault::new(Arc::new(Deaf(store)), recipients, None);
    let key: ObjectKey = "recordings/AC1/2026/01/31/RE1.wav.age".parse().unwrap();
    vault.seal(&key, stream::iter([Ok("media".into())]).boxed(), None).await.unwrap();
    let deleted = vault.delete_all(std::slice::from_ref(&key)).await.remove(0);
    assert!(matches!(deleted, Err(VaultError::StillThere(still)) if still == key));
}
