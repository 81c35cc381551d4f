//! How many deliveries of a stage a worker has in hand, and of which lane the next one is: new recordings' before old
//! ones'.

use std::sync::Arc;

use queue::{LaneKind, Stage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Leave to have one delivery in hand, until dropped.
pub(crate) type Hand = OwnedSemaphorePermit;

/// A stage's hands. A backfill holds half of them at most, so that the transfer of an old recording never keeps a new one
/// waiting; and takes none while it is known that new ones wait. A worker with a single hand uses it in turns.
#[derive(Debug)]
pub(crate) struct Hands {
    /// For the live lane alone.
    reserved: Arc<Semaphore>,
    /// For either.
    shared: Arc<Semaphore>,
    /// Whether the live lane had more than could be taken.
    is_live_pressing: watch::Sender<bool>,
    has_reserve: bool,
}

impl Hands {
    pub(crate) fn new(stage: Stage, concurrency: usize) -> Hands {
        let shared = if stage.has_backfill() { (concurrency / 2).max(1) } else { 0 };
        let reserved = concurrency.saturating_sub(shared);
        Hands {
            reserved: Arc::new(Semaphore::new(reserved)),
            shared: Arc::new(Semaphore::new(shared)),
            is_live_pressing: watch::Sender::new(false),
            has_reserve: reserved > 0,
        }
    }

    /// Waits for a free hand of a lane's, and takes as many as may be of use: where `has_more` waits in the lane, all. One
    /// hand of a backfill's is enough to find out whether there is one.
    pub(crate) async fn free(&self, kind: LaneKind, has_more: bool) -> Vec<Hand> {
        match kind {
            LaneKind::Backfill => self.free_for_backfill(has_more).await,
            LaneKind::Live | LaneKind::Dead => self.free_for_live(has_more).await,
        }
    }

    async fn free_for_live(&self, has_more: bool) -> Vec<Hand> {
        self.is_live_pressing.send_if_modified(|was| std::mem::replace(was, has_more) != has_more);
        let mut hands = all_of(&self.reserved);
        if has_more {
            hands.extend(all_of(&self.shared));
        }
        if hands.is_empty() {
            let (reserved, shared) = (Arc::clone(&self.reserved), Arc::clone(&self.shared));
            // Neither is ever closed.
            let freed = tokio::select! {
                biased;
                freed = reserved.acquire_owned() => freed,
                freed = shared.acquire_owned() => freed,
            };
            hands.extend(freed);
            hands.extend(all_of(&self.reserved));
        }
        hands
    }

    async fn free_for_backfill(&self, has_more: bool) -> Vec<Hand> {
        let mut is_live_pressing = self.is_live_pressing.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = is_live_pressing.wait_for(|is_pressing| !is_pressing).await;
            let mut hands: Vec<Hand> = Arc::clone(&self.shared).acquire_owned().await.into_iter().collect();
            if *is_live_pressing.borrow() {
                continue;
            }
            if has_more {
                hands.extend(all_of(&self.shared));
            }
            return hands;
        }
    }

    /// Whether hands are kept for the live lane: a backfill that waits holds up nobody.
    pub(crate) fn has_reserve(&self) -> bool {
        self.has_reserve
    }
}

fn all_of(semaphore: &Arc<Semaphore>) -> Vec<Hand> {
    std::iter::from_fn(|| Arc::clone(semaphore).try_acquire_owned().ok()).collect()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn taken(hands: &Hands, kind: LaneKind, has_more: bool) -> Vec<Hand> {
        hands.free(kind, has_more).now_or_never().unwrap_or_default()
    }

    #[test]
    fn backfill_holds_half_of_the_hands_at_most_and_live_the_rest_at_once() {
        let hands = Hands::new(Stage::Archive, 5);
        let old = taken(&hands, LaneKind::Backfill, true);
        assert_eq!((old.len(), taken(&hands, LaneKind::Backfill, true).len()), (2, 0));
        assert_eq!(taken(&hands, LaneKind::Live, false).len(), 3);
    }

    #[test]
    fn waiting_for_a_backfill_takes_one_hand() {
        assert_eq!(taken(&Hands::new(Stage::Archive, 16), LaneKind::Backfill, false).len(), 1);
    }

    #[test]
    fn live_that_presses_takes_every_hand_and_backfill_none_until_it_is_over() {
        let hands = Hands::new(Stage::Transcribe, 4);
        let first = taken(&hands, LaneKind::Live, false);
        let more = taken(&hands, LaneKind::Live, true);
        assert_eq!((first.len(), more.len()), (2, 2));
        drop(more);
        assert!(taken(&hands, LaneKind::Backfill, true).is_empty());
        assert_eq!(taken(&hands, LaneKind::Live, false).len(), 1, "of the shared ones, as the reserve is used up");
        assert_eq!(taken(&hands, LaneKind::Backfill, true).len(), 2);
    }

    #[test]
    fn single_hand_is_used_in_turns() {
        let hands = Hands::new(Stage::Archive, 1);
        assert!(!hands.has_reserve());
        let new = taken(&hands, LaneKind::Live, false);
        let mut old = Box::pin(hands.free(LaneKind::Backfill, false));
        assert!(old.as_mut().now_or_never().is_none());
        drop(new);
        assert!(taken(&hands, LaneKind::Live, false).is_empty(), "it is the backfill's turn");
        assert_eq!(old.as_mut().now_or_never().map(|hands| hands.len()), Some(1));
    }

    #[test]
    fn stage_without_a_backfill_keeps_all_its_hands() {
        let hands = Hands::new(Stage::Purge, 3);
        assert_eq!(taken(&hands, LaneKind::Live, false).len(), 3);
    }
}
