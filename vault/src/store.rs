//! The object store under a vault.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};

use crate::ByteStream;
use crate::directory::Directory;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::s3::{S3, S3Options};

/// Of a store that deletes each object by itself.
const DELETES_AT_ONCE: usize = 16;

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: ObjectKey,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last written.
    pub modified_at: DateTime<Utc>,
}

/// Sealed bytes under keys. Stores know nothing of what is in them. Every store passes the contract suite.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync + 'static {
    /// Makes what objects are put into (a folder), where that is missing. Only for a store that is to hold nothing yet:
    /// one that objects were put into and that is not there must come back, and is never begun anew by anything else.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// Stores `body` whole, replacing what was there, and returns its length. The object is durable when this returns.
    /// On an error, on an error of the body, and when the future is dropped, nothing of it is ever visible.
    ///
    /// `bytes` is the length of `body` where it is known; a body of another length is one that broke off. With it a store
    /// may pass the body on as it comes, in the least memory, and then can try nothing again by itself; without it, a
    /// store takes the trouble to.
    async fn put(&self, key: &ObjectKey, body: ByteStream, bytes: Option<u64>) -> Result<u64, StoreError>;

    /// The bytes from `start`, up to `end` (exclusive) where it is given.
    async fn get(&self, key: &ObjectKey, start: u64, end: Option<u64>) -> Result<ByteStream, StoreError>;

    /// What is known of the object; `None` where there is none.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError>;

    /// Deletes the object, every version of it. One that is not there is a success.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError>;

    /// [`ObjectStore::delete`] of each, and what became of it, in their order; in fewer requests, where the store has
    /// them.
    async fn delete_all(&self, keys: &[ObjectKey]) -> Vec<Result<(), StoreError>> {
        let deleting: Vec<_> = keys.iter().map(|key| self.delete(key)).collect();
        stream::iter(deleting).buffered(DELETES_AT_ONCE).collect().await
    }

    /// Every object whose key starts with `prefix` (of whole names: `recordings/`), in no order.
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectMeta, StoreError>>;

    /// How many unfinished puts older than that left something behind; nothing is removed.
    async fn count_unfinished(&self, older_than: Duration) -> Result<usize, StoreError>;

    /// Removes what unfinished puts older than that left behind, and returns how many.
    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize, StoreError>;

    /// Whether an object could be written, read and deleted now.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Opens the store that `url` names by its scheme: `file:FOLDER`, or `s3://BUCKET/PREFIX`, which is taken as `s3` says.
/// Nothing is asked of it yet.
pub async fn open_store(url: &str, s3: S3Options) -> Result<Arc<dyn ObjectStore>, StoreError> {
    match url.split_once(':') {
        Some(("file", folder)) if !folder.is_empty() => Ok(Arc::new(Directory::new(folder.trim_start_matches("//")))),
        Some(("s3", location)) => Ok(Arc::new(S3::open(location, s3).await?)),
        // The rest of the URL may hold a password.
        scheme => {
            let scheme = scheme.map_or("it", |(scheme, _)| scheme);
            let problem =
                format!("{scheme} names no object store this build knows: expected file:FOLDER or s3://BUCKET/PREFIX");
            Err(StoreError::new(StoreErrorKind::Unsupported, problem))
        }
    }
}
