//! The vault: plain streams in, sealed objects in a store, and back.

use std::ops::Range;
use std::sync::Arc;

use futures::TryStreamExt;

use crate::error::{StoreError, StoreErrorKind, VaultError};
use crate::keys::{Identities, Recipients};
use crate::object_key::ObjectKey;
use crate::opening;
use crate::sealing::{self, Outcome};
use crate::store::{ByteStream, ObjectMeta, ObjectStore};

/// Seals plain streams to its recipients and, where it holds an identity, opens them again. Cheap to clone.
///
/// Every object is a standard age v1 file: `age -d -i identity.txt` opens it without us.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    recipients: Recipients,
    identities: Option<Identities>,
}

/// What a seal wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Length of the plain bytes.
    pub plain_bytes: u64,
    /// SHA-256 of the plain bytes, in lower-case hex.
    pub plain_sha256: String,
    /// Length of the object.
    pub sealed_bytes: u64,
}

impl Vault {
    /// A vault over `store`. Without identities it seals only: what an archiving worker needs, and no more.
    pub fn new(store: Arc<dyn ObjectStore>, recipients: Recipients, identities: Option<Identities>) -> Self {
        Vault { store, recipients, identities }
    }

    /// Whether it holds an identity. Not whether that fits what is stored.
    pub fn can_open(&self) -> bool {
        self.identities.is_some()
    }

    /// The store under it.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Seals `plain` to its end under `key`, in place of what was there; durable when it returns.
    ///
    /// An error that `plain` yields comes back as [`VaultError::Source`] and aborts: as with every other error, and
    /// when dropped, nothing of it is visible (see [`ObjectStore::put`]). May be tried again: sealing the same bytes
    /// gives a different object of the same length that opens to the same bytes. Holds a few 64 KiB chunks in memory.
    pub async fn seal(&self, key: &ObjectKey, plain: ByteStream) -> Result<Sealed, VaultError> {
        let (body, mut outcome) = sealing::seal(key, plain, &self.recipients)?;
        let written = self.store.put(key, body).await;
        match (written, outcome.try_recv()) {
            (_, Ok(Outcome::SourceFailed(source))) => Err(VaultError::Source { key: key.clone(), source }),
            (Err(error), _) => Err(error.into()),
            (Ok(written), Ok(Outcome::Sealed(sealed))) if written == sealed.sealed_bytes => Ok(sealed),
            (Ok(_), _) => Err(StoreError::new(StoreErrorKind::Body, "write all of", key.as_str()).into()),
        }
    }

    /// Streams the plain bytes of all of an object, by one get of the store.
    ///
    /// Every byte is authenticated before it is given, and the stream ends without an error only at the true end: a
    /// broken or missing byte yields [`VaultError::Corrupt`] before that. No identity and the wrong one are known at
    /// once. The stream asks the store for bytes only as it is read, and dropping it ends everything.
    pub async fn open(&self, key: &ObjectKey) -> Result<ByteStream, VaultError> {
        opening::open(&self.store, self.identities_for(key)?, key).await
    }

    /// Streams the plain bytes `plain` of an object without reading the rest of it. What of the range lies past the
    /// media's end isn't there: the stream ends with the media.
    ///
    /// What is read is authenticated, the media's length too (by the object's last chunk). Costs the store a head and
    /// three gets; an object replaced between them fails as [`VaultError::Corrupt`].
    pub async fn open_range(&self, key: &ObjectKey, plain: Range<u64>) -> Result<ByteStream, VaultError> {
        opening::open_range(&self.store, self.identities_for(key)?, key, plain).await
    }

    /// All plain bytes of a small object; [`VaultError::TooLarge`] as soon as there are more than `max_bytes`.
    pub async fn read(&self, key: &ObjectKey, max_bytes: usize) -> Result<Vec<u8>, VaultError> {
        let mut stream = self.open(key).await?;
        let mut plain = Vec::new();
        while let Some(bytes) = stream.try_next().await? {
            if plain.len() + bytes.len() > max_bytes {
                return Err(VaultError::TooLarge { key: key.clone(), max_bytes });
            }
            plain.extend_from_slice(&bytes);
        }
        Ok(plain)
    }

    /// What the store knows of an object; needs no identity.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, VaultError> {
        Ok(self.store.head(key).await?)
    }

    /// Deletes an object, then looks: `Ok` only when it was seen to be gone. `Ok` where it was gone already.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), VaultError> {
        self.store.delete(key).await?;
        match self.store.head(key).await? {
            None => Ok(()),
            Some(_) => Err(VaultError::StillThere { key: key.clone() }),
        }
    }

    fn identities_for(&self, key: &ObjectKey) -> Result<&Identities, VaultError> {
        self.identities.as_ref().ok_or_else(|| VaultError::NoIdentity { key: key.clone() })
    }
}
