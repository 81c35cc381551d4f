//! From the spool to the queue, oldest first: published and confirmed there before it is acked here. A crash in between
//! leaves it in both, never in none.

use std::time::Duration;

use futures::future::join_all;
use queue::{Delivery, QueueError, Settlement};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CHECK_LIMIT, LANE, Spool, waiting};

/// On their way to the queue at once, once it took one.
const HAND_MOST: usize = 64;
/// For the queue to confirm them; engines give up sooner.
const FORWARD_LIMIT: Duration = Duration::from_secs(4);
/// Before the queue, or the file, is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// So often a queue that is well may refuse a callback, one that it is asked for alone, before the others go first.
const REFUSALS_MOST: u32 = 5;
/// Before one that was refused so often is tried again.
const REFUSED_DELAY: Duration = Duration::from_secs(60);
/// How long an empty spool is watched before it is looked at anew.
const WATCH: Duration = Duration::from_secs(5);
/// After the end was asked for.
const LAST_LIMIT: Duration = Duration::from_secs(5);

/// What was taken from the file and is still in there.
#[derive(Debug, Default)]
struct Hand {
    /// The queue has not confirmed them; oldest first.
    left: Vec<Delivery>,
    /// The queue has them: nothing but their ack is tried again.
    unacked: Vec<Delivery>,
    /// How often in a row the queue was well and took none of `left`.
    refusals: u32,
}

impl Hand {
    fn is_empty(&self) -> bool {
        self.left.is_empty() && self.unacked.is_empty()
    }
}

/// The same hand-over, to settle it once more where that failed.
fn again(delivery: &Delivery) -> Delivery {
    Delivery {
        body: delivery.body.clone(),
        attempt: delivery.attempt,
        published_at: delivery.published_at,
        reason: delivery.reason.clone(),
        trace_parent: delivery.trace_parent.clone(),
        receipt: delivery.receipt.clone(),
    }
}

impl Spool {
    /// Moves callbacks to the queue until `stop`; then as long as the queue takes them, for five seconds at most. The rest
    /// stays for the next start.
    pub(crate) async fn drain(&self, stop: CancellationToken) {
        let mut hand = Hand::default();
        // One until the queue takes it: while it is away it is not asked for more.
        let mut most = 1;
        while !stop.is_cancelled() {
            if hand.is_empty() {
                hand.left = stop.run_until_cancelled(self.take(most, WATCH)).await.unwrap_or_default();
                continue;
            }
            let is_through = self.pass_on(&mut hand).await;
            most = if is_through { HAND_MOST } else { 1 };
            if !is_through {
                self.set_aside(&mut hand).await;
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
        self.drain_last(hand).await;
    }

    async fn drain_last(&self, mut hand: Hand) {
        let began = Instant::now();
        while began.elapsed() < LAST_LIMIT {
            if hand.is_empty() {
                hand.left = self.take(HAND_MOST, Duration::ZERO).await;
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

    /// Publishes what is in `hand`, in its order, and acks it; leaves there what the queue did not confirm, and what could
    /// not be acked. Whether that is nothing.
    async fn pass_on(&self, hand: &mut Hand) -> bool {
        self.show_age(&hand.left);
        self.forward(hand).await;
        self.ack(hand).await;
        hand.is_empty()
    }

    async fn forward(&self, hand: &mut Hand) {
        // What is refused may take the others with it: then one by one.
        let most = if hand.refusals > 0 { 1 } else { HAND_MOST };
        let sent = join_all(hand.left.iter().take(most).map(|delivery| async move {
            let sent = tokio::time::timeout(FORWARD_LIMIT, self.queue.forward(LANE.stage, delivery)).await;
            matches!(sent, Ok(Ok(())))
        }));
        let sent = sent.await;
        if sent.contains(&true) {
            hand.refusals = 0;
        }
        let sent = sent.into_iter().chain(std::iter::repeat(false));
        for (delivery, is_sent) in std::mem::take(&mut hand.left).into_iter().zip(sent) {
            if is_sent { hand.unacked.push(delivery) } else { hand.left.push(delivery) }
        }
    }

    /// Lets the others go before the oldest in hand, where the queue is well and refuses that one for itself. It stays in
    /// the spool.
    async fn set_aside(&self, hand: &mut Hand) {
        if hand.left.is_empty() {
            return;
        }
        let is_well = matches!(tokio::time::timeout(CHECK_LIMIT, self.queue.check()).await, Ok(Ok(())));
        hand.refusals = if is_well { hand.refusals + 1 } else { 0 };
        // The first refusal may have been all of the hand's.
        if hand.refusals <= REFUSALS_MOST {
            return;
        }
        hand.refusals = 0;
        let refused = hand.left.remove(0);
        let recording = refused.job().map_or_else(|error| error.to_string(), |job| job.recording_sid().to_string());
        tracing::error!(
            recording,
            "the queue is well and refuses this callback: others go first, and it is tried again every minute. See the \
             queue's own log for why; `callvault reconcile` queues its recording from Twilio's list"
        );
        let later = Settlement::RetryAfter { delay: REFUSED_DELAY, charge: false };
        if let Err(error) = self.file.settle(refused, later).await {
            tracing::error!(%error, "the callback that was refused stays the first in the spool");
        }
    }

    async fn ack(&self, hand: &mut Hand) {
        let acked = join_all(hand.unacked.iter().map(|sent| self.file.settle(again(sent), Settlement::Ack))).await;
        let through = hand.unacked.len();
        for (delivery, acked) in std::mem::take(&mut hand.unacked).into_iter().zip(acked) {
            match acked {
                // Nobody else receives from the file: an ack before was done, though it was said to have failed.
                Ok(()) | Err(QueueError::LeaseLost) => {}
                Err(error) => {
                    tracing::error!(%error, "a callback went to the queue and is still in the spool: trying to remove it");
                    hand.unacked.push(delivery);
                }
            }
        }
        let drained = (through - hand.unacked.len()) as u64;
        metrics::counter!("callvault_spool_drained_total").increment(drained);
        self.tally.free(drained);
        if self.tally.taken() == 0 {
            self.is_back();
        }
    }

    /// How long the oldest callback waits.
    fn show_age(&self, hand: &[Delivery]) {
        let age = hand.first().and_then(|oldest| (self.clock.now() - oldest.published_at).to_std().ok());
        metrics::gauge!("callvault_spool_oldest_age_seconds").set(age.unwrap_or_default().as_secs_f64());
    }
}
