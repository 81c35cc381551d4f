//! Receives deliveries, no more than there are hands free, and attends to each at once.

use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use queue::{Clock, Job, Lane, LaneKind, Queue, Stage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::breaker::Allowance;
use crate::fault::{Fault, Handled, chain};
use crate::hands::Hands;
use crate::{Archive, Deliver, Purge, Transcribe};

/// Longest wait for work in one receive; also how long stopping may wait for it.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);
/// The same for a backfill, which begins seldom: each receive is a request where the queue is a service.
const BACKFILL_WAIT: Duration = Duration::from_secs(5);
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

    fn allowance(&self, stage: Stage) -> Allowance {
        match (stage, &self.transcribe) {
            (Stage::Transcribe, Some(transcribe)) => transcribe.allowance(),
            _ => Allowance::All,
        }
    }

    fn tried(&self, stage: Stage) {
        if let (Stage::Transcribe, Some(transcribe)) = (stage, &self.transcribe) {
            transcribe.tried();
        }
    }

    /// `stop` is cancelled when the worker must let go at once.
    pub(crate) async fn handle(&self, job: &Job, stop: &CancellationToken) -> Handled {
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
    /// Works on the deliveries of `stages` until `shutdown`; those of a stage that is not configured here stay in the
    /// queue, for a worker that is. Then stops in three steps: receives no more; lets work under way finish for
    /// [`Dispatcher::drain`]; cancels the rest and hands their deliveries back, uncharged.
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
            let allowance = self.stages.allowance(lane.stage);
            match allowance {
                Allowance::All => {}
                Allowance::Trial => free.truncate(1),
                Allowance::Rest(rest) => {
                    drop(free);
                    // Looked at again and again: a trial under way may end it.
                    let _ = tokio::time::timeout(rest.min(RECEIVE_WAIT), shutdown.cancelled()).await;
                    continue;
                }
            }
            let (asked, wait) = (free.len(), wait(lane.kind, has_more, &hands));
            let received = tokio::select! {
                received = self.queue.receive(lane, asked, wait) => received,
                // A queue that is away must not hold up the end.
                () = after(&shutdown, RECEIVE_WAIT * 2) => return,
            };
            let count = received.as_ref().map_or(0, Vec::len);
            has_more = count == asked;
            if allowance == Allowance::Trial && count > 0 {
                self.stages.tried(lane.stage);
            }
            match received {
                Ok(received) if received.is_empty() && wait.is_zero() => {
                    // Else a lane that was not waited for is asked again and again.
                    drop(free);
                    let _ = tokio::time::timeout(RECEIVE_WAIT, shutdown.cancelled()).await;
                }
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
}

/// Returns so long after `token` was cancelled.
pub(crate) async fn after(token: &CancellationToken, wait: Duration) {
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
