//! The bound on media held in memory by one worker process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const KIB: u64 = 1024;

/// What one streamed recording holds at the most: socket, seal and store buffers. Of 64 large recordings archived at
/// once each took 1.3 MiB of resident memory.
pub(crate) const STREAM_BYTES: u64 = 1536 * KIB;

/// A byte budget shared by all stages (`WORKER_MEMORY_MB`). Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    free_kib: Arc<Semaphore>,
    total_kib: u32,
}

impl MemoryBudget {
    /// A budget of `megabytes` MiB.
    pub fn new(megabytes: usize) -> Self {
        let total_kib = u32::try_from(megabytes.saturating_mul(1024)).unwrap_or(u32::MAX);
        MemoryBudget { free_kib: Arc::new(Semaphore::new(total_kib as usize)), total_kib }
    }

    /// Waits until `bytes` are free and holds them until the permit is dropped; `None` when they are more than all.
    pub async fn hold(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).ok().filter(|kib| *kib <= self.total_kib)?;
        // The semaphore is never closed: acquiring can only wait.
        Arc::clone(&self.free_kib).acquire_many_owned(kib).await.ok()
    }

    /// As [`MemoryBudget::hold`] for one streamed recording.
    pub(crate) async fn hold_stream(&self) -> Option<OwnedSemaphorePermit> {
        self.hold(STREAM_BYTES.min(u64::from(self.total_kib) * KIB)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn second_holder_waits_until_the_first_lets_go() {
        let budget = MemoryBudget::new(16);
        let first = budget.hold(10 << 20).await.unwrap();
        let second = budget.hold(10 << 20);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn more_than_the_whole_budget_is_refused_instead_of_waiting_for_ever() {
        assert!(MemoryBudget::new(16).hold(17 << 20).await.is_none());
    }
}
