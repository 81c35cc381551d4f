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
        // Callers that left were told that it failed: what they asked for would only hold up others.
        batch.retain(|request| !request.answer.is_closed());
        if batch.is_empty() {
            continue;
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;

    use super::*;

    /// A call that takes a second; the sizes of the batches it was given.
    fn slow() -> (Batches<u32>, Arc<Mutex<Vec<usize>>>) {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sizes);
        let batches = Batches::new(move |entries: Vec<u32>| {
            noted.lock().unwrap().push(entries.len());
            async move {
                sleep(Duration::from_secs(1)).await;
                Ok(vec![Outcome::Done; entries.len()])
            }
        });
        (batches, sizes)
    }

    #[tokio::test(start_paused = true)]
    async fn lone_entry_is_not_kept_waiting() {
        let (batches, _) = slow();
        let began = tokio::time::Instant::now();
        batches.add(1).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_come_while_calls_are_under_way_share_the_next() {
        let (batches, sizes) = slow();
        let added = join_all((0..40).map(|entry| batches.add(entry))).await;
        assert!(added.iter().all(Result::is_ok));
        let sizes = sizes.lock().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 40);
        assert!(sizes.len() <= 8 && sizes.iter().all(|size| *size <= BATCH_MOST), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn caller_is_told_when_no_answer_comes_in_time() {
        let batches = Batches::new(|_: Vec<u32>| std::future::pending());
        let began = tokio::time::Instant::now();
        assert!(matches!(batches.add(1).await, Err(Fault::Unavailable { .. })));
        assert_eq!(began.elapsed(), CALL_TIME_MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_may_wait_is_turned_away() {
        let batches = Batches::new(|_: Vec<u32>| std::future::pending());
        let added = join_all((0..5000).map(|entry| batches.add(entry))).await;
        let turned_away = added.iter().filter(|added| matches!(added, Err(Fault::Overloaded))).count();
        assert!((1..=5000 - WAITING_MOST).contains(&turned_away), "{turned_away}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_caller_gave_up_is_not_sent_later() {
        let (batches, sizes) = slow();
        let impatient = (0..100).map(|entry| timeout(Duration::from_millis(500), batches.add(entry)));
        join_all(impatient).await;
        batches.add(100).await.unwrap();
        assert!(sizes.lock().unwrap().iter().sum::<usize>() <= CALLS_MOST * BATCH_MOST + 1);
    }
}
