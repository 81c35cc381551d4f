//! Settlements whose copy SQS does not take: the original is kept hidden, and the copy tried again. Were it to come
//! again by itself, SQS would count a receive, and so charge an attempt that may not be charged.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::LaneQueue;
use super::calls::Calls;
use super::fault::Fault;
use super::leases::Leases;
use super::message::Outgoing;

/// Messages that one process keeps; more come again by themselves.
pub(super) const KEPT_MOST: usize = 1000;
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// A copy that waits to be sent, and the original that it takes the place of.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where the original is in flight, and where the copy goes.
    pub(super) from: Weak<LaneQueue>,
    pub(super) to: Weak<LaneQueue>,
    pub(super) leases: Arc<Leases>,
    pub(super) handle: String,
    pub(super) copy: Outgoing,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Kept {
    /// Returns when the copy has taken the original's place; when the original is lost, which SQS does after 12 hours; or
    /// with the engine.
    pub(super) async fn settle(self) {
        let mut pause = PAUSE_FIRST;
        loop {
            tokio::time::sleep(pause.min(self.leases.length() / 3)).await;
            pause = pause.saturating_mul(2);
            let (Some(from), Some(to)) = (self.from.upgrade(), self.to.upgrade()) else { return };
            // Another fault than this may be over when the lease is not yet.
            if let Err(Fault::LeaseLost) = extend(&from.calls, &self.leases, &self.handle).await {
                return;
            }
            if to.sends.add(self.copy.clone()).await.is_ok() {
                if self.leases.end(&self.handle).is_ok() {
                    // Where this fails the message is there twice.
                    let _ = from.deletes.add(self.handle).await;
                }
                return;
            }
        }
    }
}

/// Asks SQS for a whole new lease on what is ours.
pub(super) async fn extend(calls: &Calls, leases: &Leases, handle: &str) -> Result<(), Fault> {
    let lease = leases.get(handle).map_err(|_| Fault::LeaseLost)?;
    let asked = Instant::now();
    let visibility_secs = leases.extension_secs(&lease).map_err(|_| Fault::LeaseLost)?;
    calls.hide(handle, visibility_secs).await?;
    leases.renew(handle, asked, visibility_secs);
    Ok(())
}
