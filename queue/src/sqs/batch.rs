//! Single requests to a queue grouped into SQS's batch calls of ten.

use std::sync::Arc;
use std::time::Duration;

use batches::{Batches, Limits};
use tokio::time::{sleep, timeout};

use super::client::CALL_TIME_MOST;
use super::fault::Fault;

/// Entries that SQS takes in a call.
pub(super) const BATCH_MOST: usize = 10;
/// Of one kind of call to one queue.
const LIMITS: Limits = Limits { entries: BATCH_MOST, calls: 4, waiting: 4096 };
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
pub(super) struct BatchCalls<T>(Batches<T, Result<(), Fault>>);

impl<T: Clone + Send + Sync + 'static> BatchCalls<T> {
    /// `call` does up to [`BATCH_MOST`] entries, and says of each, in their order, what became of it.
    pub(super) fn new<C, F>(call: C) -> BatchCalls<T>
    where
        C: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Outcome>, Fault>> + Send + 'static,
    {
        let call = Arc::new(call);
        BatchCalls(Batches::new(LIMITS, move |entries| twice(Arc::clone(&call), entries)))
    }

    /// Returns once SQS confirmed the entry. Dropped, the entry may be done or not.
    pub(super) async fn add(&self, entry: T) -> Result<(), Fault> {
        match timeout(CALL_TIME_MOST, self.0.add(entry)).await {
            // Too many wait, or the runtime is ending.
            Ok(added) => added.unwrap_or(Err(Fault::Overloaded)),
            Err(_) => Err(Fault::unavailable("SQS did not confirm in time: see the network and AWS's health page")),
        }
    }
}

/// One call, and another for what failed.
async fn twice<T, C, F>(call: Arc<C>, entries: Vec<T>) -> Vec<Result<(), Fault>>
where
    T: Clone,
    C: Fn(Vec<T>) -> F,
    F: Future<Output = Result<Vec<Outcome>, Fault>>,
{
    let mut outcomes = once(&*call, entries.clone()).await;
    let failed: Vec<usize> = (0..outcomes.len()).filter(|at| matches!(outcomes[*at], Outcome::Failed(_))).collect();
    if !failed.is_empty() {
        sleep(RETRY_PAUSE).await;
        let again = once(&*call, failed.iter().map(|at| entries[*at].clone()).collect()).await;
        failed.into_iter().zip(again).for_each(|(at, outcome)| outcomes[at] = outcome);
    }
    outcomes.into_iter().map(Outcome::into_result).collect()
}

async fn once<T, C, F>(call: &C, entries: Vec<T>) -> Vec<Outcome>
where
    C: Fn(Vec<T>) -> F,
    F: Future<Output = Result<Vec<Outcome>, Fault>>,
{
    let count = entries.len();
    call(entries).await.unwrap_or_else(|fault| vec![Outcome::Refused(fault); count])
}

impl Outcome {
    fn into_result(self) -> Result<(), Fault> {
        match self {
            Outcome::Done => Ok(()),
            Outcome::Failed(fault) | Outcome::Refused(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn caller_is_told_when_no_answer_comes_in_time() {
        let calls = BatchCalls::new(|_: Vec<u32>| std::future::pending());
        let began = tokio::time::Instant::now();
        assert!(matches!(calls.add(1).await, Err(Fault::Unavailable { .. })));
        assert_eq!(began.elapsed(), CALL_TIME_MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_asked_for_once_more_and_what_was_done_or_refused_is_not() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let fault = || Fault::unavailable("away");
        let call = move |entries: Vec<u32>| {
            let is_first = noted.lock().unwrap().is_empty();
            noted.lock().unwrap().push(entries.clone());
            let outcome = move |entry: &u32| match entry {
                1 => Outcome::Refused(fault()),
                2 if is_first => Outcome::Failed(fault()),
                3 => Outcome::Failed(fault()),
                _ => Outcome::Done,
            };
            std::future::ready(Ok(entries.iter().map(outcome).collect()))
        };
        let outcomes = twice(Arc::new(call), vec![0, 1, 2, 3]).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(*asked.lock().unwrap(), [vec![0, 1, 2, 3], vec![2, 3]]);
    }
}
