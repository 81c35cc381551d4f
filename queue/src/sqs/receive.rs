//! Getting messages out of a queue.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::Sqs;
use super::batch::BATCH_MOST;
use super::fault::Fault;
use super::message::Incoming;
use crate::error::QueueError;
use crate::message::{DeadLetter, Delivery, Lane};

/// Shortest wait that is asked of SQS: without one it looks at some of its servers only, and may miss what is there.
const WAIT_SECS_LEAST: u32 = 1;
/// Longest wait in one call. A receive that was dropped can take a message out of sight for a lease as long as that.
const WAIT_SECS_MOST: u32 = 5;
/// How long a look may hide dead letters.
const LOOK_SECS: i32 = 60;

impl Sqs {
    /// Waits a second at least, see [`WAIT_SECS_LEAST`].
    pub(super) async fn receive_due(
        &self,
        lane: Lane,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let end = Instant::now() + wait;
        loop {
            let wait_secs = whole_secs(end.saturating_duration_since(Instant::now()));
            let incoming = self.gather(lane, max, wait_secs, self.leases.visibility_secs()).await;
            let now = self.options.clock.now();
            let (early, due): (Vec<_>, Vec<_>) =
                incoming.map_err(self.at(lane))?.into_iter().partition(|message| message.is_early(now));
            for message in &due {
                self.leases.begin(message.handle.clone(), lane, message.attributes().clone(), message.received);
            }
            let due: Vec<Delivery> = due.into_iter().map(|message| message.into_delivery(lane.is_dead)).collect();
            self.postpone(lane, early).await;
            if !due.is_empty() || Instant::now() >= end {
                return Ok(due);
            }
        }
    }

    /// Sends what came before its time away again. What that fails for comes again, and is early or not then.
    async fn postpone(&self, lane: Lane, early: Vec<Incoming>) {
        let now = self.options.clock.now();
        let postponed = early.into_iter().map(|message| {
            let copy = message.postponed(now);
            self.replace(lane, message.handle, lane, copy)
        });
        for error in join_all(postponed).await.into_iter().filter_map(Result::err) {
            tracing::warn!(stage = %lane.stage, %error, "message with a long delay not postponed: it will come again");
        }
    }

    /// Up to `max` messages, each once: one call waits for the first ten, further calls side by side take what more
    /// there is. They may miss some: the next receive finds those.
    async fn gather(
        &self,
        lane: Lane,
        max: usize,
        wait_secs: u32,
        visibility_secs: i32,
    ) -> Result<Vec<Incoming>, Fault> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let calls = &self.lane(lane).calls;
        let mut gathered = calls.receive(max, wait_secs, visibility_secs).await?;
        if gathered.len() == BATCH_MOST {
            let counts = (BATCH_MOST..max).step_by(BATCH_MOST).map(|from| max - from);
            // What the first call brought is leased: it is handed on whatever becomes of the others.
            let more = join_all(counts.map(|count| calls.receive(count, 0, visibility_secs))).await;
            gathered.extend(more.into_iter().flatten().flatten());
        }
        Ok(newest_receives(gathered))
    }

    /// Looks at dead letters: receives them, and puts them back at once.
    pub(super) async fn look(&self, lane: Lane, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let mut seen: HashMap<String, Incoming> = HashMap::new();
        let looked = loop {
            match self.gather(lane, max - seen.len(), WAIT_SECS_LEAST, LOOK_SECS).await {
                Ok(more) => {
                    let known = seen.len();
                    seen.extend(more.into_iter().map(|message| (message.id.clone(), message)));
                    if seen.len() == known || seen.len() >= max {
                        break Ok(());
                    }
                }
                Err(fault) => break Err(fault),
            }
        };
        let handles: Vec<String> = seen.values().map(|message| message.handle.clone()).collect();
        let calls = &self.lane(lane).calls;
        let put_back = join_all(handles.chunks(BATCH_MOST).map(|handles| calls.put_back(handles.to_vec()))).await;
        // They come back by themselves when the look's time is over.
        for fault in put_back.into_iter().filter_map(Result::err) {
            tracing::warn!(stage = %lane.stage, error = %self.at(lane)(fault), "dead letters hidden for a minute");
        }
        looked.map_err(self.at(lane))?;
        let mut letters: Vec<DeadLetter> = seen.into_values().map(Incoming::into_dead_letter).collect();
        letters.sort_by_key(|letter| letter.died_at);
        Ok(letters)
    }
}

/// SQS may hand the same message to two calls: the later handle is the one that counts.
fn newest_receives(gathered: Vec<Incoming>) -> Vec<Incoming> {
    let mut newest: Vec<Incoming> = Vec::with_capacity(gathered.len());
    for message in gathered {
        match newest.iter_mut().find(|known| known.id == message.id) {
            Some(known) if known.attempt() < message.attempt() => *known = message,
            Some(_) => {}
            None => newest.push(message),
        }
    }
    newest
}

fn whole_secs(wait: Duration) -> u32 {
    let secs = wait.as_secs_f64().ceil() as u32;
    secs.clamp(WAIT_SECS_LEAST, WAIT_SECS_MOST)
}
