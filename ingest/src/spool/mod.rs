//! Callbacks wait here while the queue is away: the embedded queue in a folder of this process's own.
//!
//! While the spool is empty a callback goes to the queue. One that the queue does not take in time goes into the spool,
//! and so do all after it, without asking the queue, until [`draining`] has emptied the spool: callbacks stay in order,
//! and none but the first waits for a queue that is away. A callback that the spool cannot take is offered to the queue
//! all the same: rather out of order than lost.

mod draining;
mod folder;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use queue::{Clock, Job, Lane, Options, Queue, QueueError, Stage};
use tracing::Instrument;

use folder::Folder;
pub use folder::SpoolError;

/// What ingest publishes.
const LANE: Lane = Lane::live(Stage::Archive);
/// How long one of the two is given for a callback before the other is asked. What both take is the caller's to limit.
const LIMIT: Duration = Duration::from_secs(2);
/// For each of the two, when a health route asks.
const CHECK_LIMIT: Duration = Duration::from_millis(1500);

/// A queue, and the file that callbacks wait in while it is away.
#[derive(Debug)]
pub struct Spool {
    queue: Arc<dyn Queue>,
    file: Arc<dyn Queue>,
    tally: Arc<Tally>,
    /// The queue did not take a callback, and the spool has not been empty since.
    is_away: AtomicBool,
    clock: Clock,
    folder: Folder,
}

impl Spool {
    /// Opens or makes the spool in `folder`, which is this process's alone until it is dropped. It holds up to
    /// `max_callbacks`; those it has already go first.
    ///
    /// # Errors
    /// The folder cannot be used, is another process's, or what is in it is damaged.
    pub async fn open(
        folder: &Path,
        max_callbacks: u64,
        queue: Arc<dyn Queue>,
        clock: Clock,
    ) -> Result<Spool, SpoolError> {
        let folder = Folder::claim(folder)?;
        // Nobody else receives from it, so nothing has to be leased: after a crash all is there at once, in its order.
        let options = Options { lease: Duration::ZERO, clock: clock.clone() };
        let file = queue::open(&folder::url(folder.path()), options).await?;
        let waiting = waiting(file.as_ref()).await?;
        if waiting > 0 {
            tracing::info!(waiting, "the spool has callbacks from before: they go to the queue first");
        }
        let tally = Arc::new(Tally { taken: AtomicU64::new(waiting), most: max_callbacks });
        tally.show();
        Ok(Spool { queue, file, tally, is_away: AtomicBool::new(waiting > 0), clock, folder })
    }

    /// How many callbacks wait in `folder`, whoever's spool it is; makes nothing there.
    ///
    /// # Errors
    /// What is in it is damaged, or cannot be written.
    pub async fn look(folder: &Path) -> Result<u64, QueueError> {
        if !folder::has_spool(folder) {
            return Ok(0);
        }
        let options = Options { lease: Duration::ZERO, clock: Clock::System };
        let file = queue::open(&folder::url(folder), options).await?;
        file.check().await?;
        waiting(file.as_ref()).await
    }

    /// Returns once the queue or the spool has `job`.
    pub(crate) async fn publish(&self, job: &Job) -> Result<(), QueueError> {
        if self.tally.taken() == 0 {
            let Err(error) = self.send(job).await else {
                self.is_back();
                return Ok(());
            };
            if !self.is_away.swap(true, Ordering::SeqCst) {
                tracing::warn!(%error, "the queue takes no callbacks: they go into the spool until it does");
            }
            return self.keep(job).await.map_err(|kept| self.neither(&kept, &error));
        }
        let Err(kept) = self.keep(job).await else { return Ok(()) };
        self.send(job).await.map_err(|error| self.neither(&kept, &error))
    }

    fn is_back(&self) {
        if self.is_away.swap(false, Ordering::SeqCst) {
            tracing::info!("the spool is empty: callbacks go to the queue again");
        }
    }

    async fn send(&self, job: &Job) -> Result<(), QueueError> {
        let sent = tokio::time::timeout(LIMIT, self.queue.publish(job, Duration::ZERO)).await;
        sent.unwrap_or_else(|_| Err(self.silent("the queue behind the spool", LIMIT)))
    }

    async fn keep(&self, job: &Job) -> Result<(), QueueError> {
        debug_assert_eq!(job.stage(), LANE.stage, "nothing else would be drained");
        let Some(place) = Tally::place(&self.tally) else {
            let problem = format!("it is full: {} callbacks (INGEST_SPOOL_MAX_CALLBACKS)", self.tally.most);
            return Err(self.unavailable(problem));
        };
        let (file, job) = (Arc::clone(&self.file), job.clone());
        // By itself: what is written after its caller left is counted all the same.
        let writing = async move {
            file.publish(&job, Duration::ZERO).await?;
            place.keep();
            Ok(())
        };
        match tokio::time::timeout(LIMIT, tokio::spawn(writing.in_current_span())).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(self.unavailable("writing broke off: see the log".to_owned())),
            Err(_) => Err(self.silent(&self.folder.shown(), LIMIT)),
        }
    }

    /// Ready while either takes callbacks; a note where that is not all there is to say.
    pub(crate) async fn check(&self) -> Result<Option<String>, String> {
        let (queue, file) = tokio::join!(
            tokio::time::timeout(CHECK_LIMIT, self.queue.check()),
            tokio::time::timeout(CHECK_LIMIT, self.file.check()),
        );
        let queue = queue.unwrap_or_else(|_| Err(self.silent("the queue behind the spool", CHECK_LIMIT)));
        let file = file.unwrap_or_else(|_| Err(self.silent(&self.folder.shown(), CHECK_LIMIT)));
        let (waiting, most) = (self.tally.taken(), self.tally.most);
        match (queue, file) {
            (Ok(()), Ok(())) if waiting == 0 => Ok(None),
            (Ok(()), Ok(())) => Ok(Some(format!("{waiting} callbacks in the spool go to the queue first"))),
            (Ok(()), Err(file)) => Ok(Some(format!("the spool cannot be used: {file}"))),
            (Err(queue), Ok(())) if waiting < most => {
                Ok(Some(format!("callbacks go into the spool, which has {waiting} of {most}: {queue}")))
            }
            (Err(queue), Ok(())) => Err(format!("{queue}; and the spool is full: {waiting} callbacks")),
            (Err(queue), Err(file)) => Err(format!("{queue}; and the spool cannot be used: {file}")),
        }
    }

    fn neither(&self, kept: &QueueError, sent: &QueueError) -> QueueError {
        self.unavailable(format!("{kept}; and {sent}"))
    }

    fn silent(&self, what: &str, limit: Duration) -> QueueError {
        self.unavailable(format!("{what} did not answer within {} ms", limit.as_millis()))
    }

    fn unavailable(&self, problem: String) -> QueueError {
        QueueError::Unavailable { queue: self.folder.shown(), problem, source: None }
    }
}

/// How many callbacks are in the file.
async fn waiting(file: &dyn Queue) -> Result<u64, QueueError> {
    let depth = file.depth(LANE.stage).await?;
    Ok(depth.ready + depth.delayed + depth.in_flight)
}

/// Counts the callbacks that are in the file or on their way into it.
#[derive(Debug)]
struct Tally {
    taken: AtomicU64,
    most: u64,
}

impl Tally {
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Room for one more; `None` where there is none.
    fn place(tally: &Arc<Tally>) -> Option<Place> {
        let more = |taken: u64| (taken < tally.most).then_some(taken + 1);
        tally.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Place { tally: Arc::clone(tally), is_kept: false })
    }

    fn free(&self, count: u64) {
        let less = |taken: u64| Some(taken.saturating_sub(count));
        let _ = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.show();
    }

    /// Corrects the count, unless it changed since it was `taken`.
    fn correct(&self, taken: u64, counted: u64) {
        let _ = self.taken.compare_exchange(taken, counted, Ordering::SeqCst, Ordering::SeqCst);
        self.show();
    }

    fn show(&self) {
        metrics::gauge!("callvault_spool_depth").set(self.taken() as f64);
    }
}

/// Room in the file for one callback; free again when dropped, unless it was kept.
struct Place {
    tally: Arc<Tally>,
    is_kept: bool,
}

impl Place {
    fn keep(mut self) {
        self.is_kept = true;
        metrics::counter!("callvault_spool_accepted_total").increment(1);
        self.tally.show();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            self.tally.free(1);
        }
    }
}
