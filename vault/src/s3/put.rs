//! Objects into the bucket: small ones in one request, long ones in one too where their length is known, and otherwise in
//! parts.

use std::io;

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream as S3Body;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::bucket::Bucket;
use super::buffers::{Buffers, PART_BYTES};
use super::connect::S3Encryption;
use super::streamed::{self, STREAM_BYTES_MOST};
use super::upload::Upload;
use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::measured::measured;

/// What a put holds beside the buffers it shares with others: the whole of most voicemails. What streams holds as much,
/// on its way to a slow server; what is held whole can be sent again.
const FIRST_BYTES: usize = 512 * 1024;

/// A body, read in measured pieces.
struct Source {
    body: ByteStream,
    rest: Bytes,
}

impl Source {
    /// Fills `buffer` up to `most` bytes, and tells whether anything follows them.
    async fn fill(&mut self, buffer: &mut BytesMut, most: usize) -> io::Result<bool> {
        loop {
            let taken = self.rest.split_to(self.rest.len().min(most - buffer.len()));
            buffer.extend_from_slice(&taken);
            if !self.rest.is_empty() {
                return Ok(true);
            }
            match self.body.next().await.transpose()? {
                Some(piece) => self.rest = piece,
                None => return Ok(false),
            }
        }
    }
}

pub(super) async fn put(
    bucket: &Bucket,
    buffers: &Buffers,
    key: &ObjectKey,
    body: ByteStream,
    bytes: Option<u64>,
) -> Result<u64, StoreError> {
    let Some(bytes) = bytes else { return put_buffered(bucket, buffers, key, body).await };
    let body = measured(body, bytes);
    if bucket.streams() && (FIRST_BYTES as u64 + 1..=STREAM_BYTES_MOST).contains(&bytes) {
        return streamed::put(bucket, key, body, bytes).await;
    }
    put_buffered(bucket, buffers, key, body).await
}

/// Nothing is sent that could not be sent again.
async fn put_buffered(
    bucket: &Bucket,
    buffers: &Buffers,
    key: &ObjectKey,
    body: ByteStream,
) -> Result<u64, StoreError> {
    let broke = |error| StoreError::source_broke(key, error);
    let mut source = Source { body, rest: Bytes::new() };
    let mut first = BytesMut::new();
    if !source.fill(&mut first, FIRST_BYTES).await.map_err(broke)? {
        return put_whole(bucket, key, first.freeze()).await;
    }
    let mut buffer = buffers.take().await;
    buffer.bytes_mut().extend_from_slice(&first);
    drop(first);
    if !source.fill(buffer.bytes_mut(), PART_BYTES).await.map_err(broke)? {
        let whole = buffer.share();
        return put_whole(bucket, key, whole).await;
    }
    let mut upload = Upload::begin(bucket, key).await?;
    let put = async {
        let mut has_more = true;
        loop {
            upload.send(buffer).await?;
            if !has_more {
                return upload.complete().await;
            }
            buffer = buffers.take().await;
            has_more = source.fill(buffer.bytes_mut(), PART_BYTES).await.map_err(broke)?;
        }
    };
    let put = put.await;
    if put.is_err() {
        upload.abort().await;
    }
    put
}

async fn put_whole(bucket: &Bucket, key: &ObjectKey, content: Bytes) -> Result<u64, StoreError> {
    let bytes = content.len() as u64;
    let request = request(bucket, key).body(S3Body::from(content));
    let request = request.customize().config_override(bucket.patience.with_part());
    let request = if bucket.signs_payload { request } else { request.disable_payload_signing() };
    let stored = request.send().await.map_err(|error| bucket.failed(key, "s3:PutObject", error))?;
    made(bucket, key, stored, bytes, true).await
}

/// A put of the object that has all but the object's bytes.
pub(super) fn request(bucket: &Bucket, key: &ObjectKey) -> PutObjectFluentBuilder {
    let (encryption, kms_key_id) = bucket.encryption.asked();
    let request = bucket.client.put_object().bucket(&*bucket.name).key(bucket.path(key));
    request
        .set_bucket_key_enabled(kms_key_id.is_some().then_some(true))
        .set_server_side_encryption(encryption)
        .set_ssekms_key_id(kms_key_id)
}

/// The length of the object that the server says it has made, once that is seen to be so. One that answered before it had
/// taken all has made another.
pub(super) async fn made(
    bucket: &Bucket,
    key: &ObjectKey,
    stored: PutObjectOutput,
    bytes: u64,
    is_out: bool,
) -> Result<u64, StoreError> {
    bucket.saw();
    let made = Made { e_tag: stored.e_tag, version: stored.version_id };
    if !is_out {
        made.discard(bucket, key).await;
        let problem = format!("{key}: {} answered before it had taken all of it", bucket.place);
        return Err(StoreError::new(StoreErrorKind::Unavailable, problem));
    }
    if !bucket.encryption.is_what(stored.server_side_encryption.as_ref()) {
        made.discard(bucket, key).await;
        return Err(unencrypted(bucket, key));
    }
    // A server that repeats the checksum has computed it over all that it took.
    if stored.checksum_crc32.is_none() {
        made.verify(bucket, key, bytes).await?;
    }
    Ok(bytes)
}

/// The object that a put has made.
pub(super) struct Made {
    pub(super) e_tag: Option<String>,
    pub(super) version: Option<String>,
}

impl Made {
    /// An error, and the object gone again, where it is not `bytes` long. What another put has replaced meanwhile is not
    /// judged.
    pub(super) async fn verify(&self, bucket: &Bucket, key: &ObjectKey, bytes: u64) -> Result<(), StoreError> {
        let problem = match bucket.head(key).await? {
            Some((meta, e_tag)) if meta.bytes == bytes || e_tag != self.e_tag => return Ok(()),
            Some((meta, _)) => format!("{key}: {bytes} bytes were stored, and {} has {}", bucket.place, meta.bytes),
            None => format!("{key}: {} took it and does not have it", bucket.place),
        };
        self.discard(bucket, key).await;
        Err(StoreError::new(StoreErrorKind::Unavailable, problem))
    }

    async fn discard(&self, bucket: &Bucket, key: &ObjectKey) {
        let request = bucket.client.delete_object().bucket(&*bucket.name).key(bucket.path(key));
        // The put fails either way, and is repeated.
        let _ = request.set_version_id(self.version.clone()).send().await;
    }
}

pub(super) fn unencrypted(bucket: &Bucket, key: &ObjectKey) -> StoreError {
    let problem = format!("{key}: {} does not encrypt as S3_SSE asks: mend it, or unset S3_SSE", bucket.place);
    StoreError::new(StoreErrorKind::Unsupported, problem)
}

impl S3Encryption {
    /// The algorithm and the key's id, as requests name them.
    pub(super) fn asked(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match self {
            S3Encryption::BucketDefault => (None, None),
            S3Encryption::Aes256 => (Some(ServerSideEncryption::Aes256), None),
            S3Encryption::Kms { key_id } => (Some(ServerSideEncryption::AwsKms), key_id.clone()),
        }
    }

    /// Whether what the server says it did is what was asked of it.
    pub(super) fn is_what(&self, done: Option<&ServerSideEncryption>) -> bool {
        self.asked().0.is_none_or(|asked| done == Some(&asked))
    }
}
