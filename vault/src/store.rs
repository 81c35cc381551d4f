//! The trait under the vault: where sealed bytes are kept.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;

use crate::directory::DirectoryStore;
use crate::error::{StoreError, StoreErrorKind};
use crate::object_key::ObjectKey;

/// Bytes that come bit by bit, in pieces of any size; it ends with the first error.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// What a store knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: ObjectKey,
    /// Its size, sealed.
    pub bytes: u64,
    /// When it was put, by the store's clock.
    pub modified_at: DateTime<Utc>,
}

/// The bytes `start..end` of an object; without an end, to the object's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, from 0.
    pub start: u64,
    /// The byte after the last one.
    pub end: Option<u64>,
}

impl ByteRange {
    /// All of an object.
    pub const ALL: ByteRange = ByteRange { start: 0, end: None };

    /// From `start` to the object's end.
    pub fn from_start(start: u64) -> Self {
        ByteRange { start, end: None }
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        ByteRange { start: range.start, end: Some(range.end) }
    }
}

/// A place for sealed objects: a folder, a bucket. One contract suite (feature `testing`) fixes the meaning for all.
///
/// An object is whole or not there, and never changed in place. Every method may be tried again after an error, and
/// none tries again by itself beyond what its protocol's client does. A future or a stream may be dropped at any
/// point: no task, connection or thread outlives it for long.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync + 'static {
    /// Keeps `body` under `key`, in place of an object that was there, and gives the number of bytes written.
    ///
    /// `Ok` means that `body` was read to its end and every byte of it is durable: it survives a power cut of the
    /// machine (a folder) or was acknowledged by the service (a bucket). Until then readers see what was there before.
    ///
    /// On `Err`, and when dropped, no part of `body` is ever visible, and `key` shows what it showed before, with one
    /// exception no store can avoid: where the very last step (the rename, the end of an upload) was under way and its
    /// answer was lost, the whole new object may be there. What was written is removed, or left for
    /// [`sweep_unfinished`](Self::sweep_unfinished) where that can't be done.
    ///
    /// An error in `body` aborts the put as [`StoreErrorKind::Body`]. Puts of one key at the same time leave one of the
    /// whole objects. `body` has any length, not known beforehand; a store reads ahead by one part (of a multipart
    /// upload) at most and holds no more in memory.
    async fn put(&self, key: &ObjectKey, body: ByteStream) -> Result<u64, StoreError>;

    /// Streams the bytes of `range`, in pieces of 1 MiB at most, by one request. An end past the object's is the
    /// object's; a start at or past it, or an empty range, is an empty stream (not an error: S3's 416 is caught).
    ///
    /// [`StoreErrorKind::NotFound`] where there is no such object. A transfer that breaks off yields `Err`, never a
    /// short stream. A get goes on with the object it began with, or fails, when that is replaced or deleted.
    async fn get(&self, key: &ObjectKey, range: ByteRange) -> Result<ByteStream, StoreError>;

    /// What is known of the object; `None` says it was looked for and isn't there, and is never a guess: a store that
    /// can't look (a volume not mounted, no permission) is an `Err`. Sees every put and delete that returned before.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError>;

    /// Makes the object gone for good: all its versions and delete markers where a bucket keeps versions, and durably
    /// so in a folder. `Ok` where it was gone already.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError>;

    /// Every object whose key begins with the text `prefix`, in no promised order, asked for page by page as the
    /// stream is read. Objects put or deleted meanwhile may or may not be seen; all others are, once. Whatever else
    /// lies in the place and is no [`ObjectKey`] is left out.
    fn list(&self, prefix: &str) -> BoxStream<'_, Result<ObjectMeta, StoreError>>;

    /// Removes what puts left that never ended (temporary files, multipart uploads) and that nobody has written to
    /// for `older_than`, by the store's clock, and gives their number. Touches nothing else: a slower put is hurt only
    /// if it wrote nothing for that long, and then fails.
    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize, StoreError>;

    /// Writes, reads and deletes a probe that [`list`](Self::list) never shows.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Opens the store that `url` names by its scheme: `file:PATH` (relative, or absolute as in `file:/var/lib/vault`).
/// A folder that isn't there is made; a bucket would have to be.
pub fn open_store(url: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
    match url.split_once(':') {
        Some(("file", path)) => Ok(Arc::new(DirectoryStore::open(path.strip_prefix("//").unwrap_or(path))?)),
        // Only the scheme is repeated: the rest may hold credentials.
        Some((scheme, _)) if !scheme.contains(['/', '@']) => {
            Err(StoreError::new(StoreErrorKind::Unsupported, "open", format!("a store of scheme {scheme}:")))
        }
        _ => Err(StoreError::new(StoreErrorKind::Unsupported, "open", "a store without a scheme")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_of_an_unknown_scheme_is_refused_without_repeating_the_url() {
        for url in ["gs://user:secret@bucket", "secret/path", "", "user@secret:x"] {
            let error = open_store(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unsupported, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn file_url_may_have_an_empty_host() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/vault", folder.path().display());
        open_store(&url).unwrap();
        assert!(folder.path().join("vault").is_dir());
    }
}
