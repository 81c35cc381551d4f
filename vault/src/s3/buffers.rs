//! The memory that objects on their way into the bucket take, over all puts together.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The length of every part but the last: the least that S3 takes. 10,000 of them are 52 GB, a month of two-channel
/// audio; servers that want parts of one length (R2) have it.
pub(super) const PART_BYTES: usize = 5 << 20;

/// Part buffers, so many and no more. A put takes one whole before it fills it: puts that each wait for a little more
/// while each holds a little would wait for ever.
#[derive(Debug, Clone)]
pub(super) struct Buffers {
    free: Arc<Semaphore>,
    spare: Arc<Mutex<Spare>>,
}

/// Buffers to be used again: making 5 MiB costs as much as filling them. All are let go of when the last comes back.
#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<BytesMut>,
    taken: usize,
}

/// A buffer for one part; comes back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: BytesMut,
    spare: Arc<Mutex<Spare>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Buffers {
    pub(super) fn new(bytes: usize) -> Self {
        Buffers { free: Arc::new(Semaphore::new((bytes / PART_BYTES).max(1))), spare: Arc::default() }
    }

    /// Waits until a buffer is free.
    pub(super) async fn take(&self) -> Buffer {
        // The semaphore is never closed: acquiring can only wait.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.taken += 1;
        let bytes = spare.buffers.pop().unwrap_or_else(|| BytesMut::with_capacity(PART_BYTES));
        Buffer { bytes, spare: Arc::clone(&self.spare), _permit: permit }
    }
}

impl Buffer {
    pub(super) fn bytes_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// What is in it, as a body that can be sent again. The buffer is taken as long as it is kept.
    pub(super) fn share(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.taken -= 1;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if spare.taken == 0 {
            spare.buffers = Vec::new();
        } else if bytes.try_reclaim(PART_BYTES) {
            spare.buffers.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn buffer_beyond_the_bound_is_waited_for() {
        let buffers = Buffers::new(2 * PART_BYTES);
        let (first, _second) = (buffers.take().await, buffers.take().await);
        let third = buffers.take();
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        third.await;
    }

    #[tokio::test]
    async fn memory_is_used_again_and_let_go_of_when_all_is_back() {
        let buffers = Buffers::new(2 * PART_BYTES);
        let (mut first, second) = (buffers.take().await, buffers.take().await);
        first.bytes_mut().extend_from_slice(b"part");
        let (place, body) = (first.bytes.as_ptr(), first.share());
        assert_eq!(body, b"part"[..]);
        drop(body);
        drop(first);
        let again = buffers.take().await;
        assert_eq!((again.bytes.as_ptr(), again.bytes.capacity()), (place, PART_BYTES));
        drop((again, second));
        assert!(buffers.spare.lock().unwrap().buffers.is_empty());
    }

    #[tokio::test]
    async fn bound_below_one_part_is_one_part() {
        Buffers::new(0).take().await;
    }
}
