//! The load: callbacks over kept connections, and how long each answer took.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::callbacks::Callbacks;

/// Twilio's longest wait for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MOST: usize = 4096;

/// When a callback leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// On a timetable, whatever became of those before.
    PerSecond(u32),
    /// When the one before on its connection was answered.
    AsAnswered,
    /// The same, until so many have left.
    Counted(u64),
}

/// Where the bytes come from.
pub(crate) enum Requests {
    /// Each of another recording, made when it is due.
    Fresh(Callbacks),
    /// Made ahead, and taken in turn over and over: the sender does as little as it can.
    Prepared(Vec<Vec<u8>>),
}

impl Requests {
    fn nth(&self, index: u64) -> Cow<'_, [u8]> {
        match self {
            Requests::Fresh(callbacks) => callbacks.request(index).into(),
            Requests::Prepared(requests) => requests[index as usize % requests.len()].as_slice().into(),
        }
    }
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
}

/// What came back.
pub(crate) struct Answers {
    /// From the moment each callback was to leave to the end of its answer, sorted. A callback that had to wait for a
    /// free connection has waited: what is slow is not sent less.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) per_second: f64,
}

/// Who sends to whom, and what was sent so far.
pub(crate) struct Sender {
    requests: Requests,
    address: SocketAddr,
    sent: AtomicU64,
}

impl Sender {
    pub(crate) fn new(requests: Requests, address: SocketAddr) -> Arc<Sender> {
        Arc::new(Sender { requests, address, sent: AtomicU64::new(0) })
    }

    /// Callbacks answered in all runs.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The same since this was last asked.
    pub(crate) fn take_sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }

    /// Sends for as long as `load` lasts. Fails at the first callback that is not answered with 200.
    pub(crate) async fn run(self: &Arc<Self>, load: Load) -> anyhow::Result<Answers> {
        let began = Instant::now();
        let timetable = Arc::new(Timetable { load, began, taken: AtomicU64::new(0) });
        let mut connections = JoinSet::new();
        for _ in 0..load.connections {
            let (sender, timetable) = (Arc::clone(self), Arc::clone(&timetable));
            connections.spawn(async move { sender.connection(&timetable).await });
        }
        let mut latencies = Vec::new();
        while let Some(ended) = connections.join_next().await {
            latencies.extend(ended??);
        }
        let per_second = latencies.len() as f64 / began.elapsed().as_secs_f64();
        latencies.sort_unstable();
        Ok(Answers { latencies, per_second })
    }

    async fn connection(&self, timetable: &Timetable) -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut latencies = Vec::new();
        while let Some(planned) = timetable.next() {
            let request = self.requests.nth(self.sent.fetch_add(1, Ordering::Relaxed));
            if let Some(planned) = planned {
                sleep_until(planned).await;
            }
            let leaves = planned.unwrap_or_else(Instant::now);
            stream.write_all(&request).await?;
            timeout(ANSWER_PATIENCE, answer(&mut stream)).await.context("no answer within Twilio's patience")??;
            latencies.push(leaves.elapsed());
        }
        Ok(latencies)
    }
}

struct Timetable {
    load: Load,
    began: Instant,
    taken: AtomicU64,
}

impl Timetable {
    /// When the next callback leaves: at once where it says nothing. `None` once the load has lasted.
    fn next(&self) -> Option<Option<Instant>> {
        let end = self.began + self.load.lasts;
        match self.load.pace {
            Pace::AsAnswered => (Instant::now() < end).then_some(None),
            Pace::Counted(count) => (self.taken.fetch_add(1, Ordering::Relaxed) < count).then_some(None),
            Pace::PerSecond(rate) => {
                let number = self.taken.fetch_add(1, Ordering::Relaxed);
                let planned = self.began + Duration::from_secs_f64(number as f64 / f64::from(rate));
                (planned < end).then_some(Some(planned))
            }
        }
    }
}

/// Reads one answer, which has to be an empty 200.
async fn answer(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut answer = [0; ANSWER_BYTES_MOST];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut answer[length..]).await?;
        ensure!(read > 0, "answer broken off: {}", String::from_utf8_lossy(&answer[..length]));
        length += read;
    }
    let answer = String::from_utf8_lossy(&answer[..length]);
    ensure!(answer.starts_with("HTTP/1.1 200 "), "callback refused: {answer}");
    Ok(())
}
