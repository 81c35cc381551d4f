//! From the spool to the queue, oldest first: published and confirmed there before it is acked here. A crash in between
//! leaves it in both, never in none.

use std::time::Duration;

use futures::future::join_all;
use queue::{Delivery, QueueError, Settlement};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{LANE, Spool, waiting};

/// On their way to the queue at once, once it took one.
const HAND_MOST: usize = 64;
/// For the queue to confirm them; engines give up sooner.
const FORWARD_LIMIT: Duration = Duration::from_secs(4);
/// Before the queue, or the file, is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an empty spool is watched before it is looked at anew.
const WATCH: Duration = Duration::from_secs(5);
/// After the end was asked for.
const LAST_LIMIT: Duration = Duration::from_secs(5);

impl Spool {
    /// Moves callbacks to the queue until `stop`; then as long as the queue takes them, for five seconds at most. The rest
    /// stays for the next start.
    pub(crate) async fn drain(&self, stop: CancellationToken) {
        let mut hand = Vec::new();
        // One until the queue takes it: while it is away it is not asked for more.
        let mut most = 1;
        while !stop.is_cancelled() {
            if hand.is_empty() {
                hand = stop.run_until_cancelled(self.take(most, WATCH)).await.unwrap_or_default();
                continue;
            }
            let is_through = self.pass_on(&mut hand).await;
            most = if is_through { HAND_MOST } else { 1 };
            if !is_through {
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
        self.drain_last(hand).await;
    }

    async fn drain_last(&self, mut hand: Vec<Delivery>) {
        let began = Instant::now();
        while began.elapsed() < LAST_LIMIT {
            if hand.is_empty() {
                hand = self.take(HAND_MOST, Duration::ZERO).await;
            }
            if hand.is_empty() || !self.pass_on(&mut hand).await {
                break;
            }
        }
        let waiting = self.tally.taken();
        if waiting > 0 {
            tracing::warn!(waiting, "callbacks stay in the spool for the next start");
        }
    }

    /// The oldest callbacks of the file; waits for the first, and returns none where there is none by then.
    async fn take(&self, most: usize, wait: Duration) -> Vec<Delivery> {
        let taken = self.tally.taken();
        let found = match self.file.receive(LANE, most, wait).await {
            Ok(hand) if hand.is_empty() && taken > 0 => self.recount(taken).await.map(|()| hand),
            found => found,
        };
        match found {
            Ok(hand) => {
                self.show_age(&hand);
                hand
            }
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read: trying again");
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    /// For a write that failed, or an ack, and was done all the same.
    async fn recount(&self, taken: u64) -> Result<(), QueueError> {
        let counted = waiting(self.file.as_ref()).await?;
        self.tally.correct(taken, counted);
        Ok(())
    }

    /// Publishes what is in `hand`, in its order, and leaves there what the queue did not confirm; whether that is nothing.
    async fn pass_on(&self, hand: &mut Vec<Delivery>) -> bool {
        self.show_age(hand);
        let sent = join_all(hand.iter().map(|delivery| async move {
            let sent = tokio::time::timeout(FORWARD_LIMIT, self.queue.forward(LANE.stage, delivery)).await;
            matches!(sent, Ok(Ok(())))
        }));
        let sent = sent.await;
        let (through, left): (Vec<_>, Vec<_>) = std::mem::take(hand).into_iter().zip(sent).partition(|(_, sent)| *sent);
        *hand = left.into_iter().map(|(delivery, _)| delivery).collect();
        let acked =
            join_all(through.into_iter().map(|(delivery, _)| self.file.settle(delivery, Settlement::Ack))).await;
        for error in acked.iter().filter_map(|acked| acked.as_ref().err()) {
            tracing::error!(%error, "a callback went to the queue and is still in the spool: it will go again");
        }
        let drained = acked.iter().filter(|acked| acked.is_ok()).count() as u64;
        metrics::counter!("callvault_spool_drained_total").increment(drained);
        self.tally.free(drained);
        if self.tally.taken() == 0 {
            self.is_back();
        }
        hand.is_empty()
    }

    /// How long the oldest callback waits.
    fn show_age(&self, hand: &[Delivery]) {
        let age = hand.first().and_then(|oldest| (self.clock.now() - oldest.published_at).to_std().ok());
        metrics::gauge!("callvault_spool_oldest_age_seconds").set(age.unwrap_or_default().as_secs_f64());
    }
}
