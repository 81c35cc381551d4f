//! Work under a claim: one worker at a time for one kind of work on one recording.

use std::future::Future;
use std::time::Duration;

use catalog::{Catalog, CatalogError, Claim, Work};
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
        body: impl FnOnce(Claim) -> F,
    ) -> Handled
    where
        F: Future<Output = Handled>,
    {
        let Some(claim) = self.catalog.claim(sid, work, self.lease, self.clock.now()).await? else {
            return Err(Fault::Busy);
        };
        let handled = tokio::select! {
            handled = body(claim.clone()) => handled,
            lost = self.keep(&claim) => Err(lost),
            () = stop.cancelled() => Err(Fault::HandedBack),
        };
        if let Err(error) = self.catalog.release_claim(&claim, self.clock.now()).await {
            tracing::warn!(recording.sid = %sid, error = chain(&error), "claim not released: it runs out by itself");
        }
        handled
    }

    /// Extends the claim three times a lease; returns only when it is lost.
    async fn keep(&self, claim: &Claim) -> Fault {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.catalog.extend_claim(claim, self.lease, self.clock.now()).await {
                Ok(()) => {}
                Err(CatalogError::ClaimLost) => return Fault::Busy,
                // The commit itself checks the claim: a catalog that is away for a moment need not stop the work.
                Err(error) => tracing::warn!(error = chain(&error), "claim not extended"),
            }
        }
    }
}
