//! Media on their way to the client.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use crate::counters::{Gauge, InFlight};
use crate::faults::MediaFault;
use crate::media::Content;
use crate::state::State;

/// A body under way; faults end it early.
struct Sending {
    state: Arc<State>,
    content: Content,
    at: u64,
    end: u64,
    fault: Option<MediaFault>,
    _in_flight: (InFlight, InFlight),
}

/// The bytes of `range`. Both gauges count it until it was sent or dropped.
pub(crate) fn body(
    state: &Arc<State>,
    content: Content,
    range: Range<u64>,
    fault: Option<MediaFault>,
    in_flight: InFlight,
) -> Body {
    let middle = range.start + (range.end - range.start) / 2;
    let is_broken = matches!(fault, Some(MediaFault::CutBody | MediaFault::StallBody));
    let sending = Sending {
        _in_flight: (in_flight, state.tally.begin(Gauge::Media)),
        state: Arc::clone(state),
        content,
        at: range.start,
        end: if is_broken { middle } else { range.end },
        fault,
    };
    Body::from_stream(stream::unfold(sending, Sending::next))
}

impl Sending {
    async fn next(mut self) -> Option<(std::io::Result<Bytes>, Self)> {
        if self.at < self.end {
            let piece = self.content.piece(self.at, self.end);
            self.at += piece.len() as u64;
            self.state.tally.count(|counters| counters.media_bytes += piece.len() as u64);
            return Some((Ok(piece), self));
        }
        match self.fault {
            // An error is how hyper is told to close the connection; the pause before lets it send what it has.
            Some(MediaFault::CutBody | MediaFault::WrongLength) => {
                tokio::task::yield_now().await;
                Some((Err(std::io::ErrorKind::ConnectionAborted.into()), self))
            }
            Some(MediaFault::StallBody) => std::future::pending().await,
            _ => None,
        }
    }
}
