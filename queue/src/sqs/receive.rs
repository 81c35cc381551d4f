//! Getting messages out of a queue.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
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
/// Calls of one receive or look that are under way at once.
const CALLS_MOST: usize = 8;
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
            let due: Vec<Delivery> = due.into_iter().map(|message| message.into_delivery(lane.is_dead())).collect();
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
    /// there is, until one brings less than it asked for. They may miss some: the next receive finds those.
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
        let mut gathered = calls.receive(max.min(BATCH_MOST), wait_secs, visibility_secs).await?;
        if gathered.len() == BATCH_MOST {
            let is_dry = &AtomicBool::new(false);
            let counts = (BATCH_MOST..max).step_by(BATCH_MOST).map(|from| (max - from).min(BATCH_MOST));
            let counts = stream::iter(counts).take_while(|_| ready(!is_dry.load(Ordering::Relaxed)));
            let more = counts.map(async |count| {
                // What the first call brought is leased: it is handed on whatever becomes of the others.
                let brought = calls.receive(count, 0, visibility_secs).await.unwrap_or_default();
                is_dry.fetch_or(brought.len() < count, Ordering::Relaxed);
                brought
            });
            gathered.extend(more.buffer_unordered(CALLS_MOST).concat().await);
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
        let pages: Vec<Vec<String>> = handles.chunks(BATCH_MOST).map(<[String]>::to_vec).collect();
        let mut put_back = stream::iter(pages).map(|page| calls.put_back(page)).buffer_unordered(CALLS_MOST);
        while let Some(put_back) = put_back.next().await {
            let Err(fault) = put_back else { continue };
            // They come back by themselves when the look's time is over.
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
