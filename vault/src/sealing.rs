//! Plain stream in, age file out, as it is asked for: nothing runs unless the store takes the next bytes.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use age::Encryptor;
use age::stream::StreamWriter;
use aws_lc_rs::digest;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::oneshot;

use crate::error::VaultError;
use crate::keys::Recipients;
use crate::object_key::ObjectKey;
use crate::store::ByteStream;
use crate::vault::Sealed;

/// age's own chunk (age-encryption.org/v1, "Payload"): fed in pieces of it, the writer gives one sealed chunk a piece.
const CHUNK: usize = 64 * 1024;

/// How a sealed stream came to its end.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The last sealed byte was given.
    Sealed(Sealed),
    /// The plain stream yielded this error, and the sealed one broke off.
    SourceFailed(io::Error),
}

/// The age file of `plain` as a stream, and what becomes of it. The stream ends without an error only after the plain
/// one did; the outcome is there by then.
pub(crate) fn seal(
    key: &ObjectKey,
    plain: ByteStream,
    recipients: &Recipients,
) -> Result<(ByteStream, oneshot::Receiver<Outcome>), VaultError> {
    let outbox = Outbox::default();
    let begin = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Encryptor::with_recipients(recipients.as_age())?.wrap_output(outbox.clone())?)
    };
    let writer = begin().map_err(|source| VaultError::Seal { key: key.clone(), source })?;
    let (outcome, receiver) = oneshot::channel();
    let sealing = Sealing {
        plain,
        piece: Bytes::new(),
        writer,
        outbox,
        sha256: digest::Context::new(&digest::SHA256),
        plain_bytes: 0,
        sealed_bytes: 0,
        outcome,
    };
    Ok((stream::try_unfold(Some(sealing), Sealing::next).boxed(), receiver))
}

struct Sealing {
    plain: ByteStream,
    /// What is left of the plain stream's latest piece.
    piece: Bytes,
    writer: StreamWriter<Outbox>,
    outbox: Outbox,
    sha256: digest::Context,
    plain_bytes: u64,
    sealed_bytes: u64,
    outcome: oneshot::Sender<Outcome>,
}

impl Sealing {
    /// The next sealed bytes, and what goes on after them: `None` after the last chunk.
    async fn next(sealing: Option<Self>) -> io::Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut sealing) = sealing else { return Ok(None) };
        loop {
            let sealed = sealing.outbox.take();
            if !sealed.is_empty() {
                sealing.sealed_bytes += sealed.len() as u64;
                return Ok(Some((sealed, Some(sealing))));
            }
            match sealing.next_plain().await {
                Some(Ok(bytes)) => {
                    sealing.sha256.update(&bytes);
                    sealing.plain_bytes += bytes.len() as u64;
                    sealing.writer.write_all(&bytes)?;
                }
                Some(Err(error)) => {
                    let _ = sealing.outcome.send(Outcome::SourceFailed(error));
                    return Err(io::Error::other("the plain stream failed"));
                }
                None => return sealing.finish().map(|last| Some((last, None))),
            }
        }
    }

    /// A chunk of the plain stream at most, however large the pieces it comes in.
    async fn next_plain(&mut self) -> Option<io::Result<Bytes>> {
        while self.piece.is_empty() {
            match self.plain.next().await? {
                Ok(piece) => self.piece = piece,
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(self.piece.split_to(self.piece.len().min(CHUNK))))
    }

    /// The last chunk, marked as such: without it the file counts as truncated.
    fn finish(self) -> io::Result<Bytes> {
        let last = self.writer.finish()?.take();
        let _ = self.outcome.send(Outcome::Sealed(Sealed {
            plain_bytes: self.plain_bytes,
            plain_sha256: hex(self.sha256.finish().as_ref()),
            sealed_bytes: self.sealed_bytes + last.len() as u64,
        }));
        Ok(last)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the age writer leaves sealed bytes. It owns its output while it writes, so both ends share this.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn take(&self) -> Bytes {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
