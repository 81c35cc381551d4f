//! Receives deliveries, runs the stage of each, and alone decides and carries out what becomes of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use futures::FutureExt;
use queue::{Clock, Delivery, Job, Lane, LaneKind, Queue, QueueError, Receipt, Settlement, Stage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::fault::{Fault, Handled, chain};
use crate::hands::Hands;
use crate::observe::{delivery_span, report};
use crate::settle::{is_spent, settlement};
use crate::{Archive, Deliver, Purge, Transcribe};

/// Longest wait for work in one receive; also how long stopping may wait for it.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);
/// The same for a backfill, which begins seldom: each receive is a request where the queue is a service.
const BACKFILL_WAIT: Duration = Duration::from_secs(5);
/// Longest time for one delivery where the queue sets none: a day's recording over a slow line.
const DELIVERY_MOST: Duration = Duration::from_secs(12 * 3600);
/// What is cancelled lets go of its claim within this, or is left to run out.
const LET_GO: Duration = Duration::from_secs(5);
const ERROR_PAUSE_FIRST: Duration = Duration::from_millis(200);
const ERROR_PAUSE_MOST: Duration = Duration::from_secs(10);

/// The stages a worker can run.
#[derive(Debug)]
pub struct Stages {
    /// Twilio's media into the vault.
    pub archive: Archive,
    /// The vault's media through the transcriber; `None` where nothing transcribes.
    pub transcribe: Option<Transcribe>,
    /// The transcript to the owner's system; `None` where there is no target.
    pub deliver: Option<Deliver>,
    /// Deletion everywhere.
    pub purge: Purge,
}

impl Stages {
    fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Transcribe => self.transcribe.is_some(),
            Stage::Deliver => self.deliver.is_some(),
            Stage::Archive | Stage::Purge => true,
        }
    }

    /// `stop` is cancelled when the worker must let go at once.
    async fn handle(&self, job: &Job, stop: &CancellationToken) -> Handled {
        match job {
            Job::ArchiveV1 { recording, received_at, is_backfill: false } => {
                self.archive.handle(recording, *received_at, stop).await
            }
            Job::ArchiveV1 { recording, received_at, is_backfill: true } => {
                self.archive.of_backfill().handle(recording, *received_at, stop).await
            }
            Job::TranscribeV1 { recording_sid, version, is_backfill, .. } => match &self.transcribe {
                Some(transcribe) if *is_backfill => {
                    transcribe.of_backfill().handle(recording_sid, *version, stop).await
                }
                Some(transcribe) => transcribe.handle(recording_sid, *version, stop).await,
                None => Err(Fault::Unauthorized("TRANSCRIPTION_PROVIDER is none here".to_owned())),
            },
            Job::DeliverV1 { recording_sid, version, .. } => match &self.deliver {
                Some(deliver) => deliver.handle(recording_sid, *version, stop).await,
                None => Err(Fault::Unauthorized("DELIVERY_WEBHOOK_URL is not set here".to_owned())),
            },
            Job::PurgeV1 { recording_sid, .. } => self.purge.handle(recording_sid, stop).await,
        }
    }
}

/// One worker process: [`Dispatcher::run`] works until told to stop.
#[derive(Debug)]
pub struct Dispatcher {
    /// Where jobs come from.
    pub queue: Arc<dyn Queue>,
    /// Where a dead letter's reason is written on its recording.
    pub catalog: Catalog,
    /// The one clock.
    pub clock: Clock,
    /// What to do with each job.
    pub stages: Stages,
    /// Deliveries in hand at once, each stage; of a backfill half of them at most, but one.
    pub concurrency: usize,
    /// How long work under way may go on once told to stop.
    pub drain: Duration,
}

impl Dispatcher {
    /// Works on the deliveries of `stages` until `shutdown`; those of a stage that is not configured here stay in the queue,
    /// for a worker that is. Then stops in three steps: receives no more; lets work
    /// under way finish for [`Dispatcher::drain`]; cancels the rest and hands their deliveries back, uncharged.
    pub async fn run(self, stages: &[Stage], shutdown: CancellationToken) {
        let worker = Arc::new(self);
        let stop = CancellationToken::new();
        let deliveries = TaskTracker::new();
        let mut receivers = Vec::new();
        for stage in stages.iter().filter(|stage| worker.stages.has(**stage)) {
            let hands = Arc::new(Hands::new(*stage, worker.concurrency));
            for lane in Lane::all_of(*stage).filter(|lane| !lane.is_dead()) {
                let (worker, hands) = (Arc::clone(&worker), Arc::clone(&hands));
                receivers.push(worker.receive_loop(lane, hands, shutdown.clone(), stop.clone(), deliveries.clone()));
            }
        }
        futures::future::join_all(receivers).await;
        worker.queue.stop_receiving().await;
        deliveries.close();
        if tokio::time::timeout(worker.drain, deliveries.wait()).await.is_err() {
            stop.cancel();
            deliveries.wait().await;
        }
        worker.queue.flush().await;
    }

    /// A hand is free before a delivery is received, and moves into its task: never more in hand than hands.
    async fn receive_loop(
        self: Arc<Self>,
        lane: Lane,
        hands: Arc<Hands>,
        shutdown: CancellationToken,
        stop: CancellationToken,
        deliveries: TaskTracker,
    ) {
        let mut error_pause = ERROR_PAUSE_FIRST;
        let mut has_more = false;
        loop {
            let mut free = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                free = hands.free(lane.kind, has_more) => free,
            };
            let asked = free.len();
            let received = tokio::select! {
                received = self.queue.receive(lane, asked, wait(lane.kind, has_more, &hands)) => received,
                // A queue that is away must not hold up the end.
                () = after(&shutdown, RECEIVE_WAIT * 2) => return,
            };
            has_more = received.as_ref().is_ok_and(|received| received.len() == asked);
            match received {
                Ok(received) => {
                    error_pause = ERROR_PAUSE_FIRST;
                    for delivery in received {
                        // An engine never hands out more than was asked for.
                        let hand = free.pop();
                        let (worker, stop) = (Arc::clone(&self), stop.clone());
                        deliveries.spawn(async move {
                            worker.attend(lane.stage, delivery, &stop).await;
                            drop(hand);
                        });
                    }
                }
                Err(error) => {
                    drop(free);
                    let (stage, error) = (lane.stage, chain(&error));
                    tracing::error!(%stage, lane = ?lane.kind, error, "cannot receive: trying again");
                    let _ = tokio::time::timeout(error_pause, shutdown.cancelled()).await;
                    error_pause = (error_pause * 2).min(ERROR_PAUSE_MOST);
                }
            }
        }
    }

    /// One delivery from hand-over to settlement.
    async fn attend(&self, stage: Stage, delivery: Delivery, stop: &CancellationToken) {
        let started = std::time::Instant::now();
        let gauge = metrics::gauge!("callvault_jobs_in_flight", "stage" => stage.as_str());
        gauge.increment(1.0);
        let job = delivery.job();
        let span = delivery_span(stage, job.as_ref().ok(), &delivery);
        let handled = match &job {
            Ok(job) => self.handle_leased(job, &delivery, stop).instrument(span.clone()).await,
            Err(error) => Some(Err(Fault::Rejected(chain(error)))),
        };
        gauge.decrement(1.0);
        metrics::histogram!("callvault_job_duration_seconds", "stage" => stage.as_str()).record(started.elapsed());
        // Without an outcome the lease was lost: the delivery is another worker's now.
        if let Some(handled) = handled {
            self.settle(stage, job.ok(), delivery, &handled).instrument(span).await;
        }
    }

    /// Decides what becomes of a delivery, says so, and carries it out.
    async fn settle(&self, stage: Stage, job: Option<Job>, delivery: Delivery, handled: &Handled) {
        let age = (self.clock.now() - delivery.published_at).to_std().unwrap_or_default();
        let settlement = settlement(handled, delivery.attempt, age);
        report(stage, handled, &settlement);
        if let (Some(job), Settlement::DeadLetter { reason }) = (&job, &settlement) {
            self.record_dead_letter(job, reason).await;
        }
        match self.queue.settle(delivery, settlement).await {
            Ok(()) | Err(QueueError::LeaseLost) => {}
            Err(error) => tracing::error!(error = chain(&error), "delivery not settled: it will come again"),
        }
    }

    /// Runs the stage while extending the lease; `None` when the lease was lost.
    async fn handle_leased(&self, job: &Job, delivery: &Delivery, stop: &CancellationToken) -> Option<Handled> {
        if is_spent(delivery.attempt) {
            let why = format!("given up after {} deliveries that never came to an end", delivery.attempt - 1);
            return Some(Err(Fault::Rejected(why)));
        }
        let limit = self.queue.longest_delivery().unwrap_or(DELIVERY_MOST);
        let work = AssertUnwindSafe(self.stages.handle(job, stop)).catch_unwind();
        tokio::select! {
            worked = tokio::time::timeout(limit, work) => Some(match worked {
                Ok(Ok(handled)) => handled,
                Ok(Err(_panic)) => Err(Fault::Suspect("the worker panicked on it (see its log)".to_owned())),
                Err(_elapsed) => Err(Fault::Transient(format!("took longer than the queue allows ({limit:?})"))),
            }),
            () = self.keep_lease(&delivery.receipt) => None,
            () = after(stop, LET_GO) => Some(Err(Fault::HandedBack)),
        }
    }

    /// Extends the lease three times its length; returns only when it is lost.
    async fn keep_lease(&self, receipt: &Receipt) {
        loop {
            tokio::time::sleep(self.queue.lease() / 3).await;
            match self.queue.extend(receipt).await {
                Ok(()) => {}
                Err(QueueError::LeaseLost) => return,
                Err(error) => tracing::warn!(error = chain(&error), "lease not extended"),
            }
        }
    }

    /// The recording's row says why it stands still, for those who look there and not at the queue.
    async fn record_dead_letter(&self, job: &Job, reason: &str) {
        let (sid, now) = (job.recording_sid(), self.clock.now());
        let recorded = match job.stage() {
            Stage::Archive | Stage::Transcribe => self.catalog.fail(sid, reason, now).await,
            Stage::Deliver | Stage::Purge => self.catalog.note_error(sid, reason, now).await,
        };
        if let Err(error) = recorded {
            tracing::error!(error = chain(&error), "reason of a dead letter not written down");
        }
    }
}

/// Returns so long after `token` was cancelled.
async fn after(token: &CancellationToken, wait: Duration) {
    token.cancelled().await;
    tokio::time::sleep(wait).await;
}

/// How long a lane's next receive waits. A backfill is not waited for with hands that are others' too.
fn wait(kind: LaneKind, has_more: bool, hands: &Hands) -> Duration {
    match kind {
        LaneKind::Backfill if has_more || !hands.has_reserve() => Duration::ZERO,
        LaneKind::Backfill => BACKFILL_WAIT,
        LaneKind::Live | LaneKind::Dead => RECEIVE_WAIT,
    }
}
