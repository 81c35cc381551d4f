//! Plain bytes in, an age file out, a chunk at a time.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use age::Encryptor;
use age::stream::StreamWriter;
use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};

use crate::ByteStream;
use crate::error::VaultError;
use crate::keys::Recipients;

/// age v1 seals so many bytes at a time (<https://age-encryption.org/v1>, "Payload").
const CHUNK_BYTES: u64 = 64 * 1024;
const TAG_BYTES: u64 = 16;

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Length of the plain bytes.
    pub plain_bytes: u64,
    /// Their SHA-256, lower hex.
    pub plain_sha256: String,
    /// Length of the age file.
    pub sealed_bytes: u64,
}

/// Length and hash of what passed through so far.
#[derive(Clone)]
pub(crate) struct Tally(Arc<Mutex<(u64, digest::Context)>>);

impl Tally {
    fn add(&self, chunk: &[u8]) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.0 += chunk.len() as u64;
        tally.1.update(chunk);
    }

    pub(crate) fn finish(&self) -> (u64, String) {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = tally.1.clone().finish();
        (tally.0, hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Where the age writer leaves its output until it is taken.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<BytesMut>>);

impl Outbox {
    fn len(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// What is taken and let go of before more is written leaves its memory to that.
    fn take(&self) -> Bytes {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).split().freeze()
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

struct Sealing {
    plain: ByteStream,
    /// `None` once the last chunk is written, or after an error: a stream that broke off must not be finished.
    writer: Option<StreamWriter<Outbox>>,
    outbox: Outbox,
    tally: Tally,
}

/// The length of an age file that begins with so many bytes of header and nonce: its STREAM adds a tag to each chunk, the
/// last of which may be short, and there is always one. Beyond all numbers it is the last.
pub(crate) fn sealed_bytes(head_bytes: u64, plain_bytes: u64) -> u64 {
    let chunks = plain_bytes.div_ceil(CHUNK_BYTES).max(1);
    head_bytes.saturating_add(plain_bytes).saturating_add(chunks * TAG_BYTES)
}

/// `plain` as an age file, the length of what stands before its first chunk, and the tally of what went through.
pub(crate) fn sealed(plain: ByteStream, recipients: &Recipients) -> Result<(ByteStream, u64, Tally), VaultError> {
    let encryptor =
        Encryptor::with_recipients(recipients.iter()).map_err(|error| VaultError::Seal(io::Error::other(error)))?;
    let outbox = Outbox::default();
    let writer = encryptor.wrap_output(outbox.clone()).map_err(VaultError::Seal)?;
    let head_bytes = outbox.len();
    let tally = Tally(Arc::new(Mutex::new((0, digest::Context::new(&digest::SHA256)))));
    let sealing = Sealing { plain, writer: Some(writer), outbox, tally: tally.clone() };
    let sealed = stream::unfold(sealing, |mut sealing| async move {
        let next = sealing.next().await?;
        Some((next, sealing))
    });
    Ok((sealed.boxed(), head_bytes, tally))
}

impl Sealing {
    /// The next piece of ciphertext, never an empty one.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let writer = self.writer.as_mut()?;
            match self.plain.next().await {
                Some(Ok(chunk)) => {
                    self.tally.add(&chunk);
                    if let Err(error) = writer.write_all(&chunk) {
                        self.writer = None;
                        return Some(Err(error));
                    }
                }
                Some(Err(error)) => {
                    self.writer = None;
                    return Some(Err(error));
                }
                None => {
                    let finished = self.writer.take()?.finish();
                    return Some(finished.map(|_| self.outbox.take()));
                }
            }
            let sealed = self.outbox.take();
            if !sealed.is_empty() {
                return Some(Ok(sealed));
            }
        }
    }
}
