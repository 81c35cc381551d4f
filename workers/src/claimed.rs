//! Work under a claim: one worker at a time for one kind of work on one recording. What it writes down is fenced by the
//! catalog; what it puts in the vault is fenced here.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use catalog::{Catalog, CatalogError, Claim, Work};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use queue::Clock;
use tokio_util::sync::CancellationToken;
use twilio::RecordingSid;

use crate::fault::{Fault, Handled, chain};

/// Takes and keeps claims.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) lease: Duration,
}

impl Claims {
    /// Runs `body` while this process alone holds the claim, extended as long as it runs, and releases it after.
    ///
    /// Another holder is [`Fault::Busy`]. `stop` ends the body early ([`Fault::HandedBack`]). A claim that is lost
    /// ends the body too: whoever took over does the work, and nothing this body commits is accepted any more.
    pub(crate) async fn with<F>(
        &self,
        sid: &RecordingSid,
        work: Work,
        stop: &CancellationToken,
        body: impl FnOnce(Held) -> F,
    ) -> Handled
    where
        F: Future<Output = Handled>,
    {
        let Some(claim) = self.catalog.claim(sid, work, self.lease, self.clock.now()).await? else {
            return Err(Fault::Busy);
        };
        let held = Held { claims: self.clone(), claim: claim.clone(), is_lost: Arc::default() };
        self.keep_while(&claim, stop, body(held)).await
    }

    /// The same, under a claim that was taken before.
    pub(crate) async fn keep_while(
        &self,
        claim: &Claim,
        stop: &CancellationToken,
        body: impl Future<Output = Handled>,
    ) -> Handled {
        let handled = tokio::select! {
            handled = body => handled,
            lost = self.keep(claim) => Err(lost),
            () = stop.cancelled() => Err(Fault::HandedBack),
        };
        if let Err(error) = self.catalog.release_claim(claim, self.clock.now()).await {
            let sid = claim.recording_sid();
            tracing::warn!(recording.sid = %sid, error = chain(&error), "claim not released: it runs out by itself");
        }
        handled
    }

    /// Extends the claim three times a lease; returns only when it is lost.
    async fn keep(&self, claim: &Claim) -> Fault {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            if !claim.is_held() {
                continue;
            }
            match self.catalog.extend_claim(claim, self.lease, self.clock.now()).await {
                Ok(()) => {}
                Err(CatalogError::ClaimLost) => return Fault::Busy,
                // The commit itself checks the claim: a catalog that is away for a moment need not stop the work.
                Err(error) => tracing::warn!(error = chain(&error), "claim not extended"),
            }
        }
    }
}

/// A claim that is held, as far as is known. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    claims: Claims,
    pub(crate) claim: Claim,
    is_lost: Arc<OnceLock<()>>,
}

impl Held {
    /// `body`, which ends only where the claim is still ours, and for most of a lease from then on; with an error
    /// otherwise, so that a put of it leaves nothing. A worker that was stopped for longer than its lease (a frozen
    /// machine, a catalog out of reach) can so not write over what another has put there since. The catalog is asked
    /// each time: by whose clock the claim would still be ours is nothing to go by.
    pub(crate) fn fenced(&self, body: BoxStream<'static, io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
        let held = self.clone();
        let last = stream::once(async move { held.prove().await.map(|()| Bytes::new()) });
        body.chain(last).boxed()
    }

    /// Why a put of a fenced body failed, where that was the claim.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.is_lost.get().map(|()| Fault::Busy)
    }

    async fn prove(&self) -> io::Result<()> {
        let Claims { catalog, clock, lease } = &self.claims;
        let extended = catalog.extend_claim(&self.claim, *lease, clock.now()).await;
        if matches!(extended, Err(CatalogError::ClaimLost)) {
            let _ = self.is_lost.set(());
        }
        extended.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
