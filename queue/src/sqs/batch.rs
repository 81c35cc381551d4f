//! Single requests grouped into SQS's batch calls of ten.
//!
//! A batch forms by itself: while the calls that may be under way are, what is asked for waits, and the next call takes
//! up to ten of it. An idle queue adds no delay. Each caller gets the outcome of its own entry.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::client::CALL_TIME_MOST;
use super::fault::Fault;

/// Entries that SQS takes in a call.
pub(super) const BATCH_MOST: usize = 10;
/// Calls under way at once, for one kind of call on one queue.
const CALLS_MOST: usize = 4;
/// Callers that may wait; more are turned away.
const WAITING_MOST: usize = 4096;
/// Before what SQS could not do for a reason of its own is asked for once more.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What became of one entry of a call.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Done,
    /// SQS could not: asking again may help.
    Failed(Fault),
    /// SQS will not.
    Refused(Fault),
}

/// Takes entries of one kind for one queue.
#[derive(Debug)]
pub(super) struct Batches<T>(mpsc::Sender<Request<T>>);

#[derive(Debug)]
struct Request<T> {
    entry: T,
    answer: oneshot::Sender<Result<(), Fault>>,
}

impl<T: Clone + Send + 'static> Batches<T> {
    /// `call` does up to [`BATCH_MOST`] entries, and says of each, in their order, what became of it.
    pub(super) fn new<C, F>(call: C) -> Batches<T>
    where
        C: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Outcome>, Fault>> + Send + 'static,
    {
        let (sender, requests) = mpsc::channel(WAITING_MOST);
        tokio::spawn(run(requests, Arc::new(call)));
        Batches(sender)
    }

    /// Returns once SQS confirmed the entry. Dropped, the entry may be done or not.
    pub(super) async fn add(&self, entry: T) -> Result<(), Fault> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request { entry, answer }).map_err(|_| Fault::Overloaded)?;
        match timeout(CALL_TIME_MOST, answered).await {
            // Without an answer the runtime is ending.
            Ok(answered) => answered.unwrap_or(Err(Fault::Overloaded)),
            Err(_) => Err(Fault::unavailable("SQS did not confirm in time: see the network and AWS's health page")),
        }
    }
}

/// Works until every handle on the queue is gone.
async fn run<T, C, F>(mut requests: mpsc::Receiver<Request<T>>, call: Arc<C>)
where
    T: Clone + Send + 'static,
    C: Fn(Vec<T>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Vec<Outcome>, Fault>> + Send + 'static,
{
    let calls = Arc::new(Semaphore::new(CALLS_MOST));
    // The permit first: what comes while it is waited for goes into the same call.
    while let Ok(permit) = Arc::clone(&calls).acquire_owned().await {
        let mut batch = Vec::with_capacity(BATCH_MOST);
        if requests.recv_many(&mut batch, BATCH_MOST).await == 0 {
            return;
        }
        let call = Arc::clone(&call);
        tokio::spawn(async move {
            if let Some(failed) = attempt(call.as_ref(), batch, false).await {
                sleep(RETRY_PAUSE).await;
                attempt(call.as_ref(), failed, true).await;
            }
            drop(permit);
        });
    }
}

/// One call. Answers every caller but those whose entries failed and get another attempt.
async fn attempt<T, C, F>(call: &C, batch: Vec<Request<T>>, is_last: bool) -> Option<Vec<Request<T>>>
where
    T: Clone,
    C: Fn(Vec<T>) -> F,
    F: Future<Output = Result<Vec<Outcome>, Fault>>,
{
    let called = call(batch.iter().map(|request| request.entry.clone()).collect()).await;
    let outcomes = called.unwrap_or_else(|fault| vec![Outcome::Refused(fault); batch.len()]);
    let mut failed = Vec::new();
    for (request, outcome) in batch.into_iter().zip(outcomes) {
        let answer = match outcome {
            Outcome::Done => Ok(()),
            Outcome::Failed(_) if !is_last => {
                failed.push(request);
                continue;
            }
            Outcome::Failed(fault) | Outcome::Refused(fault) => Err(fault),
        };
        // A caller that left does not mind.
        let _ = request.answer.send(answer);
    }
    (!failed.is_empty()).then_some(failed)
}
