//! An age file in, plain bytes out: all of them or a range, each chunk authenticated before it is handed on.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use age::{DecryptError, Decryptor};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind, VaultError};
use crate::keys::Identities;
use crate::store::{ObjectMeta, ObjectStore};

/// age's own chunk length.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks read ahead of the reader.
const AHEAD: usize = 2;

/// What the reader says.
enum Told {
    /// The header was read: it opens.
    Opened,
    Piece(Bytes),
    /// All that was asked for has been told. A reader that falls silent before is one that died.
    End,
}

type Teller = mpsc::Sender<Result<Told, VaultError>>;

/// The age reader is synchronous: it runs on a thread of its own, over ranged gets, and sends what it opened. Not on one of
/// the runtime's blocking threads: it holds its thread as long as the stream is read, and a store may need another of them
/// for each get, so that enough streams at once would wait for each other for good. Dropping the stream ends it at its
/// next chunk.
pub(crate) async fn opened(
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    identities: Identities,
    plain: Range<u64>,
) -> Result<ByteStream, VaultError> {
    let (teller, mut told) = mpsc::channel(AHEAD);
    let source =
        Source { store, length: meta.bytes, meta, at: 0, body: None, rest: Bytes::new(), handle: Handle::current() };
    let reader = thread::Builder::new().name("vault reader".to_owned());
    let begun = reader.spawn(move || {
        let last = send_all(source, &identities, plain, &teller).map(|()| Told::End);
        // Where nobody listens any more there is nothing to tell.
        let _ = teller.blocking_send(last);
    });
    begun.map_err(|error| StoreError::io("cannot begin a thread to read on", error))?;
    match told.recv().await {
        Some(Ok(_)) => Ok(pieces(told)),
        Some(Err(error)) => Err(error),
        None => Err(died()),
    }
}

/// What is told from now on.
fn pieces(told: mpsc::Receiver<Result<Told, VaultError>>) -> ByteStream {
    let pieces = stream::try_unfold(told, |mut told| async move {
        match told.recv().await.unwrap_or_else(|| Err(died())).map_err(io::Error::other)? {
            Told::Opened => Ok(Some((Bytes::new(), told))),
            Told::Piece(piece) => Ok(Some((piece, told))),
            Told::End => Ok(None),
        }
    });
    pieces.boxed()
}

/// That says nothing of the object, which is therefore not called damaged.
fn died() -> VaultError {
    let problem = "the reader died before the end: its own message is in the log";
    StoreError::new(StoreErrorKind::Unavailable, problem).into()
}

fn send_all(source: Source, identities: &Identities, plain: Range<u64>, teller: &Teller) -> Result<(), VaultError> {
    let decryptor = Decryptor::new_buffered(io::BufReader::with_capacity(CHUNK_BYTES, source)).map_err(wrong)?;
    let mut reader = decryptor.decrypt(identities.iter()).map_err(wrong)?;
    if teller.blocking_send(Ok(Told::Opened)).is_err() {
        return Ok(());
    }
    if plain.start > 0 {
        // age takes a place behind the end for damage, or panics.
        let length = reader.seek(SeekFrom::End(0)).map_err(VaultError::of_body)?;
        reader.seek(SeekFrom::Start(plain.start.min(length))).map_err(VaultError::of_body)?;
    }
    let mut left = plain.end.saturating_sub(plain.start);
    while left > 0 {
        let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES))];
        let read = reader.read(&mut chunk).map_err(VaultError::of_body)?;
        chunk.truncate(read);
        left -= read as u64;
        if read == 0 || teller.blocking_send(Ok(Told::Piece(chunk.into()))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn wrong(error: DecryptError) -> VaultError {
    match error {
        DecryptError::NoMatchingKeys => VaultError::WrongKey,
        DecryptError::Io(error) => VaultError::of_body(error),
        other => VaultError::Broken(io::Error::new(io::ErrorKind::InvalidData, other.to_string())),
    }
}

/// The sealed object as a file to read and seek in: one streaming get from wherever reading goes on.
struct Source {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    length: u64,
    at: u64,
    body: Option<ByteStream>,
    rest: Bytes,
    handle: Handle,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            if self.at >= self.length {
                return Ok(0);
            }
            let next = match &mut self.body {
                Some(body) => self.handle.block_on(body.next()),
                None => {
                    let got = self.handle.block_on(self.store.get(&self.meta.key, self.at, None));
                    self.body = Some(got.map_err(|error: StoreError| io::Error::other(error))?);
                    continue;
                }
            };
            match next {
                Some(chunk) => self.rest = chunk?,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = into.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut into[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        if target != self.at {
            (self.at, self.body, self.rest) = (target, None, Bytes::new());
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reader_that_dies_is_an_error_and_no_end() {
        let (teller, told) = mpsc::channel(AHEAD);
        teller.send(Ok(Told::Piece(Bytes::from_static(b"half")))).await.unwrap();
        drop(teller);
        let read: Vec<_> = pieces(told).collect().await;
        assert_eq!(read.len(), 2);
        let error = VaultError::of_body(read.into_iter().last().unwrap().unwrap_err());
        assert!(error.is_transient(), "{error:?}");
    }
}
