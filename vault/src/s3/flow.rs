//! A body that is sent as it comes, and who it waits for on its way.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::Fuse;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::ByteStream;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// More of the body.
    Source,
    /// The server to take what is there.
    Server,
    /// The server to say what it did with it all.
    Answer,
}

/// How far a body is. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Flow(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    waits_for: WaitsFor,
    since: Instant,
    broke: Option<io::Error>,
}

/// Only who holds all of it reads it: the lock is what makes a stream sharable between threads, as the SDK asks.
pub(super) struct Flowing {
    body: Mutex<Fuse<ByteStream>>,
    left: u64,
    flow: Flow,
}

impl Flow {
    pub(super) fn new() -> Flow {
        Flow(Arc::new(Mutex::new(State { waits_for: WaitsFor::Server, since: Instant::now(), broke: None })))
    }

    /// `body`, which is `bytes` long, as one that shows here how far it is.
    pub(super) fn watch(&self, body: ByteStream, bytes: u64) -> Flowing {
        // The SDK polls what has ended.
        Flowing { body: Mutex::new(body.fuse()), left: bytes, flow: self.clone() }
    }

    /// Returns once the server took nothing of what was there for so long, or said nothing for so long of what it had
    /// taken. A body that is slow to come is no fault of the server's.
    pub(super) async fn stalled(&self, takes: Duration, answers: Duration) {
        loop {
            let (waits_for, since) = {
                let state = self.state();
                (state.waits_for, state.since)
            };
            let due = match waits_for {
                WaitsFor::Source => Instant::now() + takes,
                WaitsFor::Server => since + takes,
                WaitsFor::Answer => since + answers,
            };
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    /// Whether the server was given all of it.
    pub(super) fn is_out(&self) -> bool {
        self.state().waits_for == WaitsFor::Answer
    }

    /// Why the body broke off, where it did.
    pub(super) fn take_broke(&self) -> Option<io::Error> {
        self.state().broke.take()
    }

    fn wait_for(&self, waits_for: WaitsFor) {
        let mut state = self.state();
        (state.waits_for, state.since) = (waits_for, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Flowing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let flowing = self.get_mut();
        let body = flowing.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        match body.poll_next_unpin(cx) {
            Poll::Pending => {
                flowing.flow.wait_for(WaitsFor::Source);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(piece))) => {
                flowing.left = flowing.left.saturating_sub(piece.len() as u64);
                flowing.flow.wait_for(if flowing.left == 0 { WaitsFor::Answer } else { WaitsFor::Server });
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Some(Err(error))) => {
                flowing.flow.state().broke = Some(error);
                Poll::Ready(Some(Err(io::Error::other("the body broke off"))))
            }
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
