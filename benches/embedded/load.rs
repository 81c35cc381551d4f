//! The load: signed callbacks over kept connections, and how long each answer took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::callbacks;

/// Twilio's longest wait for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MOST: usize = 4096;

/// When a callback leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// On a timetable, whatever became of those before.
    PerSecond(u32),
    /// As soon as the one before on its connection was answered.
    AsAnswered,
}

/// What is sent: for how long, and over how many connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
}

/// What came back.
pub(crate) struct Answers {
    /// From the moment each callback should have left to the end of its answer, sorted: a callback that had to wait for
    /// a free connection has waited.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) per_second: f64,
}

/// Sends the callbacks from `first` on, each answered with 200 or the run fails. The next free number is left in `first`.
pub(crate) async fn send(load: Load, address: SocketAddr, first: &mut u64) -> anyhow::Result<Answers> {
    let began = Instant::now();
    let run = Arc::new(Run { load, address, began, first: *first, taken: AtomicU64::new(0) });
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let run = Arc::clone(&run);
        connections.spawn(async move { run.connection().await });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = connections.join_next().await {
        latencies.extend(ended??);
    }
    let per_second = latencies.len() as f64 / began.elapsed().as_secs_f64();
    *first += latencies.len() as u64;
    latencies.sort_unstable();
    Ok(Answers { latencies, per_second })
}

struct Run {
    load: Load,
    address: SocketAddr,
    began: Instant,
    first: u64,
    taken: AtomicU64,
}

impl Run {
    async fn connection(&self) -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut latencies = Vec::new();
        while let Some((number, leaves)) = self.next_turn() {
            sleep_until(leaves).await;
            stream.write_all(&callbacks::request(self.first + number)).await?;
            timeout(ANSWER_PATIENCE, answer(&mut stream)).await.context("no answer in Twilio's patience")??;
            latencies.push(leaves.elapsed());
        }
        Ok(latencies)
    }

    /// The next callback's number and when it leaves; none once the load has lasted.
    fn next_turn(&self) -> Option<(u64, Instant)> {
        let end = self.began + self.load.lasts;
        let leaves = match self.load.pace {
            Pace::AsAnswered => Instant::now(),
            Pace::PerSecond(rate) => {
                let number = self.taken.fetch_add(1, Ordering::Relaxed);
                let leaves = self.began + Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate));
                return (leaves < end).then_some((number, leaves));
            }
        };
        (leaves < end).then(|| (self.taken.fetch_add(1, Ordering::Relaxed), leaves))
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
