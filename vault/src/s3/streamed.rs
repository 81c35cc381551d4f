//! An object of known length into the bucket: one request, which carries its bytes as they come, and its checksum behind
//! them, as a trailer. Without checksums it goes as it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream as S3Body;
use aws_sdk_s3::types::ChecksumAlgorithm;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::flow::Flow;
use super::put::{made, request};
use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;

/// The longest object that S3 takes in one request.
pub(super) const STREAM_BYTES_MOST: u64 = 5 << 30;

/// For how long nothing is streamed to a server that failed with so many streams in a row. It may not know them: then most
/// are spared an attempt that comes to nothing. It may be in trouble: then what can be sent again is better.
const DISTRUST: Duration = Duration::from_secs(600);
const FAILURES_MOST: u32 = 3;

/// Whether objects are streamed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Streaming(Arc<Mutex<Failures>>);

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    last: Option<Instant>,
}

impl Streaming {
    fn is_tried(&self) -> bool {
        let failures = self.failures();
        failures.in_a_row < FAILURES_MOST || failures.last.is_none_or(|last| last.elapsed() >= DISTRUST)
    }

    fn ended(&self, well: bool) {
        let mut failures = self.failures();
        *failures = if well {
            Failures::default()
        } else {
            Failures { in_a_row: failures.in_a_row.saturating_add(1), last: Some(Instant::now()) }
        };
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Whether an object may stream: where it is its signature alone that guards it, all of it must be there to be signed.
    pub(super) fn streams(&self) -> bool {
        !self.signs_payload && self.streaming.is_tried()
    }
}

/// Stores `body`, which ends with an error unless it is `bytes` long. Nothing is sent a second time: a request that came
/// to nothing is an error, whatever the server may do with the next one.
pub(super) async fn put(bucket: &Bucket, key: &ObjectKey, body: ByteStream, bytes: u64) -> Result<u64, StoreError> {
    let flow = Flow::new();
    let request = request(bucket, key)
        .set_checksum_algorithm(bucket.sends_checksums.then_some(ChecksumAlgorithm::Crc32))
        .body(S3Body::from_body_1_x(flow.watch(body, bytes)))
        .customize()
        .config_override(bucket.patience.streamed(bytes));
    let sent = tokio::select! {
        sent = request.send() => sent.map_err(|error| bucket.failed(key, "s3:PutObject", error)),
        () = flow.stalled(bucket.patience.answer, bucket.patience.transfer) => Err(stalled(bucket, key)),
    };
    let stored = match sent {
        Ok(stored) => made(bucket, key, stored, bytes, flow.is_out()).await,
        Err(error) => Err(error),
    };
    if let Some(error) = flow.take_broke() {
        return Err(StoreError::source_broke(key, error));
    }
    bucket.streaming.ended(stored.is_ok());
    stored
}

fn stalled(bucket: &Bucket, key: &ObjectKey) -> StoreError {
    let problem = format!("{key}: {} stopped taking it, or did not answer in time", bucket.place);
    StoreError::new(StoreErrorKind::Unavailable, problem)
}

#[cfg(test)]
mod tests;
