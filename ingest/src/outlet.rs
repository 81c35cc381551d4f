//! Where accepted callbacks go: to the queue, through a spool where there is one.

use std::sync::Arc;
use std::time::Duration;

use queue::{Job, Queue, QueueError};
use tokio_util::sync::CancellationToken;

use crate::spool::Spool;

/// What takes archive jobs, durably.
#[derive(Clone, Debug)]
pub enum Outlet {
    /// The queue; while it is away, nothing is taken.
    Queue(Arc<dyn Queue>),
    /// The queue, and a file for the time that it is away.
    Spooled(Arc<Spool>),
}

impl Outlet {
    /// Returns once `job` outlives a crash.
    pub(crate) async fn publish(&self, job: &Job) -> Result<(), QueueError> {
        match self {
            Outlet::Queue(queue) => queue.publish(job, Duration::ZERO).await,
            Outlet::Spooled(spool) => spool.publish(job).await,
        }
    }

    /// Whether a publish could succeed now; what is worth knowing where it could.
    pub(crate) async fn check(&self) -> Result<Option<String>, String> {
        match self {
            Outlet::Queue(queue) => queue.check().await.map(|()| None).map_err(|error| error.to_string()),
            Outlet::Spooled(spool) => spool.check().await,
        }
    }

    /// Moves what is spooled to the queue until `stop`, and then what it still can in a moment.
    pub(crate) async fn drain(&self, stop: CancellationToken) {
        if let Outlet::Spooled(spool) = self {
            spool.drain(stop).await;
        }
    }
}

impl From<Arc<dyn Queue>> for Outlet {
    fn from(queue: Arc<dyn Queue>) -> Outlet {
        Outlet::Queue(queue)
    }
}
