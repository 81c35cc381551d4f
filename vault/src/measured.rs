//! A body held to the length that was told of it.

use std::io;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use crate::ByteStream;

struct Measured {
    /// `None` once it has ended.
    body: Option<ByteStream>,
    bytes: u64,
    seen: u64,
    last: Option<Bytes>,
}

/// `body`, which ends well only where it is `bytes` long, and with an error otherwise. The piece that makes it whole comes
/// only when nothing followed it: whoever counts instead of waiting for the end has not more than `body` stands by.
pub(crate) fn measured(body: ByteStream, bytes: u64) -> ByteStream {
    let measured = Measured { body: Some(body), bytes, seen: 0, last: None };
    let pieces = stream::unfold(measured, |mut measured| async move {
        let next = measured.next().await?;
        Some((next, measured))
    });
    pieces.boxed()
}

impl Measured {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let next = self.body.as_mut()?.next().await;
            match next {
                Some(Ok(piece)) => {
                    self.seen += piece.len() as u64;
                    if self.seen > self.bytes {
                        return self.end(Some(Err(self.differs("more than"))));
                    }
                    if self.seen < self.bytes {
                        return Some(Ok(piece));
                    }
                    if !piece.is_empty() {
                        self.last = Some(piece);
                    }
                }
                None if self.seen < self.bytes => return self.end(Some(Err(self.differs("fewer than")))),
                None => {
                    let last = self.last.take().map(Ok);
                    return self.end(last);
                }
                broken => return self.end(broken),
            }
        }
    }

    fn end(&mut self, with: Option<io::Result<Bytes>>) -> Option<io::Result<Bytes>> {
        self.body = None;
        with
    }

    fn differs(&self, how: &str) -> io::Error {
        io::Error::other(format!("{} bytes came, {how} the {} that were promised", self.seen, self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, TryStreamExt};

    use super::*;

    fn body(pieces: &[&'static [u8]]) -> ByteStream {
        stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>()).boxed()
    }

    async fn read(pieces: &[&'static [u8]], bytes: u64) -> io::Result<Vec<u8>> {
        Ok(measured(body(pieces), bytes).try_collect::<Vec<_>>().await?.concat())
    }

    #[tokio::test]
    async fn body_of_the_length_that_was_told_is_what_it_was() {
        assert_eq!(read(&[b"me", b"", b"dia", b""], 5).await.unwrap(), b"media");
        assert_eq!(read(&[], 0).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn body_of_another_length_ends_with_an_error() {
        for bytes in [0, 1, 4, 6] {
            let error = read(&[b"me", b"dia"], bytes).await.unwrap_err();
            assert!(error.to_string().contains(&format!("the {bytes} that were promised")), "{error}");
        }
    }

    #[tokio::test]
    async fn last_piece_waits_for_the_end_of_the_body() {
        for (end, ends_well) in [(Ok(Bytes::new()), true), (Err(io::Error::other("lost")), false)] {
            let (send, wait) = tokio::sync::oneshot::channel();
            let proof = stream::once(async { wait.await.unwrap() });
            let mut pieces = measured(body(&[b"me", b"dia"]).chain(proof).boxed(), 5);
            assert_eq!(pieces.next().await.unwrap().unwrap(), b"me"[..]);
            assert!(pieces.next().now_or_never().is_none(), "it came before the end");
            send.send(end).unwrap();
            assert_eq!(pieces.next().await.unwrap().is_ok(), ends_well);
            assert!(pieces.next().await.is_none());
        }
    }
}
