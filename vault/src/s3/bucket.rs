//! One bucket as every operation sees it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime as S3DateTime;
use chrono::{DateTime, Utc};

use super::connect::S3Encryption;
use super::fault::status;
use super::patience::Patience;
use super::streamed::Streaming;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::store::ObjectMeta;

/// A bucket can only be deleted once it is empty: one that answered so lately answers for "there is no such object".
const SEEN_LATELY: Duration = Duration::from_secs(10);

/// A bucket, the prefix in it that is ours, and the way there. Clones share it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: Arc<str>,
    /// Empty, or ends with a slash.
    pub(super) prefix: Arc<str>,
    pub(super) encryption: S3Encryption,
    pub(super) patience: Patience,
    /// Off only where AWS_REQUEST_CHECKSUM_CALCULATION says so.
    pub(super) sends_checksums: bool,
    /// Where neither TLS nor a checksum tells that the bytes arrived as they were sent, the signature is over them too.
    pub(super) signs_payload: bool,
    pub(super) streaming: Streaming,
    /// The server, as errors name it.
    pub(super) place: Arc<str>,
    pub(super) last_seen: Arc<Mutex<Option<Instant>>>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket(s3://{}/{} at {})", self.name, self.prefix, self.place)
    }
}

impl Bucket {
    /// The key as the bucket knows it.
    pub(super) fn path(&self, key: &ObjectKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The key of an object of the bucket; `None` where it is none of ours.
    pub(super) fn key(&self, path: &str) -> Option<ObjectKey> {
        path.strip_prefix(&*self.prefix)?.parse().ok()
    }

    /// What is known of an object, and its ETag.
    pub(super) async fn head(&self, key: &ObjectKey) -> Result<Option<(ObjectMeta, Option<String>)>, StoreError> {
        match self.client.head_object().bucket(&*self.name).key(self.path(key)).send().await {
            Ok(head) => {
                self.saw();
                let meta = self.meta(key, head.content_length().unwrap_or(-1), head.last_modified())?;
                Ok(Some((meta, head.e_tag)))
            }
            Err(error) if status(&error) == Some(404) => {
                self.must_be_there().await?;
                Ok(None)
            }
            Err(error) => Err(self.failed(key, "s3:GetObject", error)),
        }
    }

    pub(super) fn meta(
        &self,
        key: &ObjectKey,
        bytes: i64,
        modified_at: Option<&S3DateTime>,
    ) -> Result<ObjectMeta, StoreError> {
        let modified_at =
            modified_at.and_then(|time| DateTime::<Utc>::from_timestamp(time.secs(), time.subsec_nanos()));
        let (Ok(bytes), Some(modified_at)) = (u64::try_from(bytes), modified_at) else {
            let problem = format!("{key}: {} tells neither its length nor its time", self.place);
            return Err(StoreError::new(StoreErrorKind::Unsupported, problem));
        };
        Ok(ObjectMeta { key: key.clone(), bytes, modified_at })
    }

    /// The bucket answered as one that is there.
    pub(super) fn saw(&self) {
        *self.last_seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// "Not found" may be said of the object or of the bucket, and a head does not tell which: a bucket that is missing
    /// must not read as an object that is gone.
    pub(super) async fn must_be_there(&self) -> Result<(), StoreError> {
        let last_seen = *self.last_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if last_seen.is_some_and(|seen| seen.elapsed() < SEEN_LATELY) {
            return Ok(());
        }
        match self.client.head_bucket().bucket(&*self.name).send().await {
            Ok(_) => {
                self.saw();
                Ok(())
            }
            Err(error) if status(&error) == Some(404) => Err(self.missing()),
            Err(error) => Err(self.failed(&format!("bucket {}", self.name), "s3:ListBucket", error)),
        }
    }

    pub(super) fn missing(&self) -> StoreError {
        let problem = format!("there is no bucket {} at {}: make it, or mend RECORDINGS_BUCKET", self.name, self.place);
        StoreError::new(StoreErrorKind::NoStore, problem)
    }
}
