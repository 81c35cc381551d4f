//! A multipart upload under way.

use aws_sdk_s3::primitives::ByteStream as S3Body;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::bucket::Bucket;
use super::buffers::Buffer;
use super::put::{Made, unencrypted};
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;

/// Parts of one object in flight at the most: what one connection cannot carry alone.
const PARTS_AT_ONCE: usize = 4;
const PARTS_MOST: i32 = 10_000;

type Part = Result<CompletedPart, StoreError>;

/// Parts are sent side by side; dropped before its end, it is aborted behind the dropper's back.
pub(super) struct Upload {
    bucket: Bucket,
    key: ObjectKey,
    id: String,
    in_flight: JoinSet<Part>,
    completed: Vec<CompletedPart>,
    parts: i32,
    bytes: u64,
    is_open: bool,
}

impl Upload {
    pub(super) async fn begin(bucket: &Bucket, key: &ObjectKey) -> Result<Self, StoreError> {
        let request = bucket.client.create_multipart_upload().bucket(&*bucket.name).key(bucket.path(key));
        let (encryption, kms_key_id) = bucket.encryption.asked();
        let request = request
            .set_bucket_key_enabled(kms_key_id.is_some().then_some(true))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key_id)
            // Of the whole object, so that whoever reads it can check it; a checksum of checksums helps nobody.
            .set_checksum_algorithm(bucket.sends_checksums.then_some(ChecksumAlgorithm::Crc32))
            .set_checksum_type(bucket.sends_checksums.then_some(ChecksumType::FullObject));
        let begun = request.send().await.map_err(|error| bucket.failed(key, "s3:PutObject", error))?;
        let mut upload = Upload {
            bucket: bucket.clone(),
            key: key.clone(),
            id: begun.upload_id().unwrap_or_default().to_owned(),
            in_flight: JoinSet::new(),
            completed: Vec::new(),
            parts: 0,
            bytes: 0,
            is_open: true,
        };
        if !bucket.encryption.is_what(begun.server_side_encryption()) {
            upload.abort().await;
            return Err(unencrypted(bucket, key));
        }
        Ok(upload)
    }

    /// Sends a part, once fewer than the bound are in flight. The error may be another part's.
    pub(super) async fn send(&mut self, mut buffer: Buffer) -> Result<(), StoreError> {
        while self.in_flight.len() >= PARTS_AT_ONCE {
            self.complete_one().await?;
        }
        if self.parts == PARTS_MOST {
            let problem = format!("{}: longer than {PARTS_MOST} parts: S3 takes no more", self.key);
            return Err(StoreError::new(StoreErrorKind::Unsupported, problem));
        }
        self.parts += 1;
        let content = buffer.share();
        self.bytes += content.len() as u64;
        let request = self.bucket.client.upload_part().bucket(&*self.bucket.name).key(self.bucket.path(&self.key));
        let request = request
            .upload_id(&self.id)
            .part_number(self.parts)
            .body(S3Body::from(content))
            .customize()
            .config_override(self.bucket.patience.with_part());
        let request = if self.bucket.signs_payload { request } else { request.disable_payload_signing() };
        let (bucket, key, number) = (self.bucket.clone(), self.key.clone(), self.parts);
        self.in_flight.spawn(async move {
            let sent = request.send().await.map_err(|error| bucket.failed(&key, "s3:PutObject", error));
            drop(buffer);
            let sent = sent?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
        });
        Ok(())
    }

    async fn complete_one(&mut self) -> Result<(), StoreError> {
        let Some(joined) = self.in_flight.join_next().await else { return Ok(()) };
        let ended_badly = |_| StoreError::new(StoreErrorKind::Unavailable, format!("{}: a part was lost", self.key));
        self.completed.push(joined.map_err(ended_badly)??);
        Ok(())
    }

    /// Makes an object of the parts, and returns its length. Nothing is visible before.
    pub(super) async fn complete(&mut self) -> Result<u64, StoreError> {
        while !self.in_flight.is_empty() {
            self.complete_one().await?;
        }
        self.completed.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.completed))).build();
        let request = self.bucket.client.complete_multipart_upload().bucket(&*self.bucket.name);
        let request = request.key(self.bucket.path(&self.key)).upload_id(&self.id).multipart_upload(parts);
        // The server may put the object together before it answers.
        let sent = request.customize().config_override(self.bucket.patience.with_part()).send().await;
        let made = sent.map_err(|error| self.bucket.failed(&self.key, "s3:PutObject", error))?;
        self.is_open = false;
        self.bucket.saw();
        let made = Made { e_tag: made.e_tag, version: made.version_id };
        made.verify(&self.bucket, &self.key, self.bytes).await?;
        Ok(self.bytes)
    }

    /// Takes back what was sent. What is left all the same, sweep_unfinished finds.
    pub(super) async fn abort(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let in_flight = std::mem::take(&mut self.in_flight);
            abort(self.bucket.clone(), self.key.clone(), self.id.clone(), in_flight).await;
        }
    }
}

/// Parts that arrive after the abort would stay: none is in flight any more when it is sent.
async fn abort(bucket: Bucket, key: ObjectKey, id: String, mut in_flight: JoinSet<Part>) {
    in_flight.shutdown().await;
    let request = bucket.client.abort_multipart_upload().bucket(&*bucket.name).key(bucket.path(&key));
    let _ = request.upload_id(id).send().await;
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.is_open, Handle::try_current()) {
            let in_flight = std::mem::take(&mut self.in_flight);
            runtime.spawn(abort(self.bucket.clone(), self.key.clone(), std::mem::take(&mut self.id), in_flight));
        }
    }
}
