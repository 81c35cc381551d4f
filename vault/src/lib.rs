//! Sealed objects: age v1 files in an object store, opened only where the key is.

#[cfg(feature = "testing")]
pub mod contract;
mod directory;
mod error;
mod key;
mod keys;
mod measured;
mod open;
mod s3;
mod seal;
mod store;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

pub use error::{KeyError, StoreError, StoreErrorKind, VaultError};
pub use key::{ObjectKey, ObjectKeyError};
pub use keys::{Identities, Recipients, RecipientsError, generate_identity_file};
pub use s3::{S3Encryption, S3Options, S3Server};
pub use seal::Sealed;
pub use store::{ObjectMeta, ObjectStore, open_store};

/// Bytes as they come; ends at the first error.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Deleted objects that are looked for at once.
const LOOKS_AT_ONCE: usize = 16;

/// An object store seen through a key: what goes in is sealed, what comes out is opened. Clones share it.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    recipients: Recipients,
    identities: Option<Identities>,
}

impl Vault {
    /// Without `identities` nothing can be opened: enough for a worker that only archives.
    pub fn new(store: Arc<dyn ObjectStore>, recipients: Recipients, identities: Option<Identities>) -> Vault {
        Vault { store, recipients, identities }
    }

    /// Seals `plain` to every recipient under `key`, in memory that does not grow with its length. Nothing is visible
    /// when the stream yields an error, or when this future is dropped. Sealing a key again replaces the object whole.
    ///
    /// `plain_bytes` is the length of `plain` where it is known: [`ObjectStore::put`] says what becomes of that. A stream
    /// of another length is an error, and leaves nothing.
    pub async fn seal(
        &self,
        key: &ObjectKey,
        plain: ByteStream,
        plain_bytes: Option<u64>,
    ) -> Result<Sealed, VaultError> {
        let (sealed, head_bytes, tally) = seal::sealed(plain, &self.recipients)?;
        let sealed_bytes = plain_bytes.map(|plain_bytes| seal::sealed_bytes(head_bytes, plain_bytes));
        let sealed_bytes = self.store.put(key, sealed, sealed_bytes).await?;
        let (plain_bytes, plain_sha256) = tally.finish();
        Ok(Sealed { plain_bytes, plain_sha256, sealed_bytes })
    }

    /// The plain bytes of an object. A broken or truncated object yields an error before the end of the stream, and so
    /// does a store that fails: [`VaultError::of_body`] tells which.
    pub async fn open(&self, key: &ObjectKey) -> Result<ByteStream, VaultError> {
        self.open_range(key, 0..u64::MAX).await
    }

    /// As [`Vault::open`] for a range of the plain bytes, without reading the rest. What lies behind the end is empty.
    pub async fn open_range(&self, key: &ObjectKey, plain: Range<u64>) -> Result<ByteStream, VaultError> {
        let identities = self.identities.clone().ok_or(VaultError::NoIdentity)?;
        let meta = self.store.head(key).await?.ok_or_else(|| StoreError::not_found(key))?;
        open::opened(Arc::clone(&self.store), meta, identities, plain).await
    }

    /// A whole object in memory; an error when it is longer than `max_bytes`.
    pub async fn read(&self, key: &ObjectKey, max_bytes: usize) -> Result<Vec<u8>, VaultError> {
        let mut body = self.open(key).await?;
        let mut read = Vec::new();
        while let Some(chunk) = body.try_next().await.map_err(VaultError::of_body)? {
            if read.len() + chunk.len() > max_bytes {
                return Err(VaultError::TooLong { key: key.clone(), max_bytes });
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    }

    /// What the store says of the sealed object; `None` where there is none.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, VaultError> {
        Ok(self.store.head(key).await?)
    }

    /// Deletes objects and sees that they are gone: what became of each, in their order. One that is gone already is a
    /// success.
    pub async fn delete_all(&self, keys: &[ObjectKey]) -> Vec<Result<(), VaultError>> {
        let deleted = self.store.delete_all(keys).await;
        let looking = keys.iter().zip(deleted).map(|(key, deleted)| async move {
            deleted?;
            self.see_gone(key).await
        });
        stream::iter(looking.collect::<Vec<_>>()).buffered(LOOKS_AT_ONCE).collect().await
    }

    async fn see_gone(&self, key: &ObjectKey) -> Result<(), VaultError> {
        match self.store.head(key).await? {
            None => Ok(()),
            Some(_) => Err(VaultError::StillThere(key.clone())),
        }
    }

    /// Whether there is a key to open with.
    pub fn can_open(&self) -> bool {
        self.identities.is_some()
    }

    /// Whether what is sealed now could be opened with the identities at hand.
    pub fn check_keys(&self) -> Result<(), VaultError> {
        let identities = self.identities.as_ref().ok_or(VaultError::NoIdentity)?;
        if identities.recipients().shares_one_with(&self.recipients) { Ok(()) } else { Err(VaultError::WrongKey) }
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}
