//! Objects in an S3 bucket, and in every server that speaks S3.

mod bucket;
mod buffers;
mod connect;
mod delete;
mod fault;
mod flow;
mod get;
mod list;
mod patience;
mod plain_http;
mod put;
mod streamed;
mod upload;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use uuid::Uuid;

use self::bucket::Bucket;
use self::buffers::Buffers;
use self::list::Unfinished;
use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::store::{ObjectMeta, ObjectStore};

pub use self::connect::{S3Encryption, S3Options, S3Server};

const PROBE: &[u8] = b"callvault probe";

#[derive(Debug)]
pub(crate) struct S3 {
    bucket: Bucket,
    buffers: Buffers,
}

impl S3 {
    /// `location` is what follows `s3:` in the URL. Nothing is asked of the server yet.
    pub(crate) async fn open(location: &str, options: S3Options) -> Result<S3, StoreError> {
        let buffers = Buffers::new(options.buffer_bytes);
        Ok(S3 { bucket: connect::connect(location, options).await?, buffers })
    }

    async fn write_and_read(&self, probe: &ObjectKey) -> Result<(), StoreError> {
        self.put(probe, stream::iter([Ok(Bytes::from_static(PROBE))]).boxed(), None).await?;
        let body = self.get(probe, 0, None).await?;
        let read: Vec<Bytes> = body.try_collect().await.map_err(|error| StoreError::io(probe, error))?;
        if read.concat() == PROBE {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, format!("{probe}: what was read is not what was written")))
    }
}

#[async_trait]
impl ObjectStore for S3 {
    /// A bucket is made by whoever gives the rights to it.
    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put(&self, key: &ObjectKey, body: ByteStream, bytes: Option<u64>) -> Result<u64, StoreError> {
        put::put(&self.bucket, &self.buffers, key, body, bytes).await
    }

    async fn get(&self, key: &ObjectKey, start: u64, end: Option<u64>) -> Result<ByteStream, StoreError> {
        get::get(&self.bucket, key, start, end).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError> {
        Ok(self.bucket.head(key).await?.map(|(meta, _)| meta))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        delete::delete(&self.bucket, key).await
    }

    async fn delete_all(&self, keys: &[ObjectKey]) -> Vec<Result<(), StoreError>> {
        delete::delete_all(&self.bucket, keys).await
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        list::objects(&self.bucket, prefix)
    }

    async fn count_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        list::unfinished_uploads(&self.bucket, older_than, Unfinished::Count).await
    }

    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        list::unfinished_uploads(&self.bucket, older_than, Unfinished::Abort).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // A name of its own: two checks at once must not delete each other's.
        let probe = format!("check/{}", Uuid::now_v7());
        let probe = probe.parse().map_err(|_| StoreError::new(StoreErrorKind::Unsupported, "no key for a probe"))?;
        let checked = self.write_and_read(&probe).await;
        let deleted = self.delete(&probe).await;
        checked.and(deleted)
    }
}
