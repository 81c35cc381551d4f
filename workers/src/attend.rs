//! One delivery, from hand-over to settlement: the stage's work under the lease, and what becomes of the delivery.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::FutureExt;
use queue::{DecodeError, Delivery, Job, QueueError, Receipt, Settlement, Stage};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::dispatcher::{Dispatcher, after};
use crate::fault::{Fault, Handled, chain};
use crate::observe::{delivery_span, report, report_undelivered};
use crate::settle::{is_spent, settlement};

/// Longest time for one job: a day's recording over a slow line.
const WORK_MOST: Duration = Duration::from_secs(12 * 3600);
/// What is cancelled lets go of its claim within this, or is left to run out.
const LET_GO: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// One delivery from hand-over to settlement.
    pub(crate) async fn attend(&self, stage: Stage, delivery: Delivery, stop: &CancellationToken) {
        let started = std::time::Instant::now();
        let gauge = metrics::gauge!("callvault_jobs_in_flight", "stage" => stage.as_str());
        gauge.increment(1.0);
        let job = delivery.job();
        let span = delivery_span(stage, job.as_ref().ok(), &delivery);
        let work = self.work(&job, delivery.attempt, stop).instrument(span.clone());
        self.work_off(stage, &job, delivery, pin!(work)).instrument(span).await;
        gauge.decrement(1.0);
        metrics::histogram!("callvault_job_duration_seconds", "stage" => stage.as_str()).record(started.elapsed());
    }

    /// What the stage says, within the time that any work may take.
    async fn work(&self, job: &Result<Job, DecodeError>, attempt: u32, stop: &CancellationToken) -> Handled {
        let job = job.as_ref().map_err(|error| Fault::Rejected(chain(error)))?;
        if is_spent(attempt) {
            let why = format!("given up after {} deliveries that never came to an end", attempt - 1);
            return Err(Fault::Rejected(why));
        }
        let work = AssertUnwindSafe(self.stages.handle(job, stop)).catch_unwind();
        tokio::select! {
            worked = tokio::time::timeout(WORK_MOST, work) => match worked {
                Ok(Ok(handled)) => handled,
                Ok(Err(_panic)) => Err(Fault::Suspect("the worker panicked on it (see its log)".to_owned())),
                Err(_elapsed) => Err(Fault::Transient(format!("took longer than {WORK_MOST:?}"))),
            },
            () = after(stop, LET_GO) => Err(Fault::HandedBack),
        }
    }

    /// Works under the delivery's lease and settles it. Where the queue will not wait as long as the work takes, the
    /// delivery is sent round again and the work goes on: whoever gets it next finds it under way, or done.
    async fn work_off(
        &self,
        stage: Stage,
        job: &Result<Job, DecodeError>,
        delivery: Delivery,
        mut work: Pin<&mut impl Future<Output = Handled>>,
    ) {
        let longest = self.queue.longest_delivery().unwrap_or(Duration::MAX);
        tokio::select! {
            handled = &mut work => return self.settle(stage, job.as_ref().ok(), delivery, &handled).await,
            // It is another worker's now.
            () = self.keep_lease(&delivery.receipt) => return,
            () = tokio::time::sleep(longest) => {}
        }
        tracing::info!(
            after_secs = longest.as_secs(),
            "sent round again while the work goes on: the queue waits no longer"
        );
        let round_again = Settlement::RetryAfter { delay: self.queue.lease(), charge: true };
        self.carry_out(delivery, round_again).await;
        report_undelivered(stage, &work.await);
    }

    /// Decides what becomes of a delivery, says so, and carries it out.
    async fn settle(&self, stage: Stage, job: Option<&Job>, delivery: Delivery, handled: &Handled) {
        let age = (self.clock.now() - delivery.published_at).to_std().unwrap_or_default();
        let settlement = settlement(handled, delivery.attempt, age);
        report(stage, handled, &settlement);
        if let (Some(job), Settlement::DeadLetter { reason }) = (job, &settlement) {
            self.record_dead_letter(job, reason).await;
        }
        self.carry_out(delivery, settlement).await;
    }

    async fn carry_out(&self, delivery: Delivery, settlement: Settlement) {
        match self.queue.settle(delivery, settlement).await {
            Ok(()) | Err(QueueError::LeaseLost) => {}
            Err(error) => tracing::error!(
                error = chain(&error),
                "delivery not settled yet: the queue goes on trying, or it comes again"
            ),
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
