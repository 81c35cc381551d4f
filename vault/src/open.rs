//! An age file in, plain bytes out: all of them or a range, each chunk authenticated before it is handed on.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use age::{DecryptError, Decryptor};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::ByteStream;
use crate::error::{StoreError, VaultError};
use crate::keys::Identities;
use crate::store::{ObjectMeta, ObjectStore};

/// age's own chunk length.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks read ahead of the reader.
const AHEAD: usize = 2;

/// The age reader is synchronous: it runs on a blocking thread, over ranged gets, and sends what it opened. Dropping the
/// stream ends it at its next chunk.
pub(crate) async fn opened(
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    identities: Identities,
    plain: Range<u64>,
) -> Result<ByteStream, VaultError> {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, VaultError>>(AHEAD);
    let source =
        Source { store, length: meta.bytes, meta, at: 0, body: None, rest: Bytes::new(), handle: Handle::current() };
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send_all(source, &identities, plain, &sender) {
            // Nobody listens any more: nothing to tell.
            let _ = sender.blocking_send(Err(error));
        }
    });
    // The first message tells whether it opens at all: an empty piece once the header was read.
    match receiver.recv().await {
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(error),
        None => return Err(VaultError::Broken(io::Error::other("the reader ended without a word"))),
    }
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let next = receiver.recv().await?;
        Some((next.map_err(io::Error::other), receiver))
    });
    Ok(chunks.boxed())
}

fn send_all(
    source: Source,
    identities: &Identities,
    plain: Range<u64>,
    sender: &mpsc::Sender<Result<Bytes, VaultError>>,
) -> Result<(), VaultError> {
    let decryptor = Decryptor::new_buffered(io::BufReader::with_capacity(CHUNK_BYTES, source)).map_err(wrong)?;
    let mut reader = decryptor.decrypt(identities.iter()).map_err(wrong)?;
    if sender.blocking_send(Ok(Bytes::new())).is_err() {
        return Ok(());
    }
    if plain.start > 0 {
        reader.seek(SeekFrom::Start(plain.start)).map_err(VaultError::of_body)?;
    }
    let mut left = plain.end.saturating_sub(plain.start);
    while left > 0 {
        let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES))];
        let read = reader.read(&mut chunk).map_err(VaultError::of_body)?;
        chunk.truncate(read);
        left -= read as u64;
        if read == 0 || sender.blocking_send(Ok(chunk.into())).is_err() {
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
