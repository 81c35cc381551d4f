//! Single requests grouped into calls for many, for whatever is asked at a price a call and not a request.
//!
//! A batch forms by itself: while the calls that may be under way are, what is asked for waits, and the next call takes
//! all of it that fits. Who asks alone waits for nobody. Each caller gets the outcome of its own entry.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in a call; at least 1.
    pub entries: usize,
    /// Calls under way at once; at least 1.
    pub calls: usize,
    /// Callers that may wait for a call; at least 1. More are turned away.
    pub waiting: usize,
}

/// Why an entry has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoOutcome {
    /// It was not tried: as many as may wait do.
    #[error("too many wait already: try again later")]
    Full,
    /// The call ended without a word on it, and may have done it: the call panicked, or the runtime is ending.
    #[error("the call that it was part of ended without an answer")]
    Lost,
}

/// Takes entries `T`, each of which comes to an outcome `O`. What is under way when it is dropped is done all the same.
#[derive(Debug)]
pub struct Batches<T, O>(mpsc::Sender<Request<T, O>>);

#[derive(Debug)]
struct Request<T, O> {
    entry: T,
    answer: oneshot::Sender<O>,
}

impl<T: Send + 'static, O: Send + 'static> Batches<T, O> {
    /// `call` does some entries, and says of each, in their order, what became of it. Needs a tokio runtime, which it
    /// runs on.
    pub fn new<C, F>(limits: Limits, call: C) -> Batches<T, O>
    where
        C: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        let (sender, requests) = mpsc::channel(limits.waiting.max(1));
        tokio::spawn(run(requests, limits, call));
        Batches(sender)
    }

    /// Has an entry done with others. Dropped before its call begins, it is not done; after that it may be.
    ///
    /// # Errors
    /// [`NoOutcome`].
    pub async fn add(&self, entry: T) -> Result<O, NoOutcome> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request { entry, answer }).map_err(|error| match error {
            TrySendError::Full(_) => NoOutcome::Full,
            TrySendError::Closed(_) => NoOutcome::Lost,
        })?;
        answered.await.map_err(|_| NoOutcome::Lost)
    }
}

/// Works until every handle on the batches is gone.
async fn run<T, O, C, F>(mut requests: mpsc::Receiver<Request<T, O>>, limits: Limits, call: C)
where
    T: Send + 'static,
    O: Send + 'static,
    C: Fn(Vec<T>) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<O>> + Send + 'static,
{
    let (entries, call) = (limits.entries.max(1), Arc::new(call));
    let calls = Arc::new(Semaphore::new(limits.calls.max(1)));
    // The permit first: what comes while it is waited for goes into the same call.
    while let Ok(permit) = Arc::clone(&calls).acquire_owned().await {
        let mut batch = Vec::with_capacity(entries);
        if requests.recv_many(&mut batch, entries).await == 0 {
            return;
        }
        // Callers that left were told that it failed: what they asked for would only hold up others.
        batch.retain(|request| !request.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let (entries, answers): (Vec<T>, Vec<_>) =
            batch.into_iter().map(|request| (request.entry, request.answer)).unzip();
        let call = Arc::clone(&call);
        tokio::spawn(async move {
            for (answer, outcome) in answers.into_iter().zip(call(entries).await) {
                // A caller that left does not mind.
                let _ = answer.send(outcome);
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const LIMITS: Limits = Limits { entries: 10, calls: 4, waiting: 4096 };

    /// A call that takes a second, and answers each entry with itself; the sizes of the batches it was given.
    fn slow() -> (Batches<u32, u32>, Arc<Mutex<Vec<usize>>>) {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sizes);
        let batches = Batches::new(LIMITS, move |entries: Vec<u32>| {
            noted.lock().unwrap().push(entries.len());
            async move {
                sleep(Duration::from_secs(1)).await;
                entries
            }
        });
        (batches, sizes)
    }

    #[tokio::test(start_paused = true)]
    async fn lone_entry_is_not_kept_waiting() {
        let (batches, _) = slow();
        let began = Instant::now();
        assert_eq!(batches.add(1).await, Ok(1));
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_come_while_calls_are_under_way_share_the_next_and_each_has_its_own_outcome() {
        let (batches, sizes) = slow();
        let added = join_all((0..40).map(|entry| batches.add(entry))).await;
        assert_eq!(added, (0..40).map(Ok).collect::<Vec<_>>());
        let sizes = sizes.lock().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 40);
        assert!(sizes.len() <= 8 && sizes.iter().all(|size| *size <= LIMITS.entries), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_may_wait_is_turned_away() {
        let batches: Batches<u32, u32> = Batches::new(LIMITS, |_| std::future::pending());
        let adding = (0..5000).map(|entry| timeout(Duration::from_secs(1), batches.add(entry)));
        let turned_away = join_all(adding).await.iter().filter(|added| **added == Ok(Err(NoOutcome::Full))).count();
        assert!((1..=5000 - LIMITS.waiting).contains(&turned_away), "{turned_away}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_caller_gave_up_is_not_done_later() {
        let (batches, sizes) = slow();
        let impatient = (0..100).map(|entry| timeout(Duration::from_millis(500), batches.add(entry)));
        join_all(impatient).await;
        batches.add(100).await.unwrap();
        assert!(sizes.lock().unwrap().iter().sum::<usize>() <= LIMITS.calls * LIMITS.entries + 1);
    }

    #[tokio::test]
    async fn call_that_panics_loses_its_own_entries_alone() {
        let batches: Batches<u32, u32> = Batches::new(LIMITS, |entries| {
            assert_ne!(entries, [1], "the first call is to panic");
            async move {
                assert_ne!(entries, [2], "and the second, later");
                entries
            }
        });
        assert_eq!([batches.add(1).await, batches.add(2).await], [Err(NoOutcome::Lost); 2]);
        assert_eq!(batches.add(3).await, Ok(3));
    }
}
