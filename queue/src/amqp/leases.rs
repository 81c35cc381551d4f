//! Who has which delivery until when. AMQP knows no leases: the process keeps them and gives back what ran out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::Acker;
use tokio::time::Instant;

use crate::message::{Lane, Receipt};

/// Unlike in all of the process: a receipt of one handle is none of another's.
static NEXT: AtomicI64 = AtomicI64::new(1);

/// The deliveries that were handed out and not settled yet.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<i64, Leased>>);

#[derive(Debug)]
struct Leased {
    lane: Lane,
    /// The subscription it came through.
    subscription: u64,
    until: Instant,
    acker: Acker,
}

impl Leases {
    pub(super) fn lease(&self, lane: Lane, subscription: u64, acker: Acker, lease: Duration) -> Receipt {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, Leased { lane, subscription, until: Instant::now() + lease, acker });
        Receipt { id, token: String::new() }
    }

    /// A whole new lease from now; `None` where it was lost, be it with the channel.
    pub(super) fn extend(&self, receipt: &Receipt, lease: Duration) -> Option<()> {
        let mut leases = self.lock();
        let leased = leases.get_mut(&receipt.id).filter(|leased| leased.acker.usable())?;
        leased.until = Instant::now() + lease;
        Some(())
    }

    /// What settles a delivery that is still ours.
    pub(super) fn acker(&self, receipt: &Receipt) -> Option<(Lane, Acker)> {
        let leases = self.lock();
        let leased = leases.get(&receipt.id).filter(|leased| leased.acker.usable())?;
        Some((leased.lane, leased.acker.clone()))
    }

    pub(super) fn end(&self, receipt: &Receipt) {
        self.lock().remove(&receipt.id);
    }

    /// Takes out what ran out, to be given back, and forgets what was lost with its channel.
    pub(super) fn take_expired(&self) -> Vec<Acker> {
        let now = Instant::now();
        let over = |_: &i64, leased: &mut Leased| leased.until <= now || !leased.acker.usable();
        let expired = self.lock().extract_if(over).map(|(_, leased)| leased.acker).collect::<Vec<_>>();
        expired.into_iter().filter(Acker::usable).collect()
    }

    /// Deliveries of one subscription.
    pub(super) fn held(&self, subscription: u64) -> usize {
        self.lock().values().filter(|leased| leased.subscription == subscription && leased.acker.usable()).count()
    }

    /// Deliveries of one lane.
    pub(super) fn in_flight(&self, lane: Lane) -> usize {
        self.lock().values().filter(|leased| leased.lane == lane && leased.acker.usable()).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Leased>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
