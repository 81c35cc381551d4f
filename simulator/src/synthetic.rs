//! Recordings of any size that cost nothing to keep: a WAV that is made while it is sent.
//!
//! The audio is stretches of one shared block of noise, each at an offset that follows from the recording's seed and
//! the position, so any part can be made at once, without copying, and a swapped or missing part is a difference.

use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use crate::{derive, wav};

/// What every synthetic recording says.
pub(crate) const TEXT: &str = "This is a synthetic recording for a load test.";

/// RIFF head, `fmt `, a comment that names the recording, and the head of `data`.
const HEAD_BYTES: u64 = 128;
const COMMENT_BYTES: usize = 64;
const COMMENT_AT: usize = 12 + 24 + 8 + 4 + 8;
const COMMENT_START: &str = "callvault synthetic ";

const PIECE: usize = 64 * 1024;
/// Where in the noise a piece may begin.
const OFFSETS: u64 = 256 * 1024;

/// A mono WAV of a certain size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Synthetic {
    seed: u64,
    bytes: u64,
}

impl Synthetic {
    /// The smallest there is has a head and no audio.
    pub(crate) fn new(seed: u64, bytes: u64) -> Self {
        Self { seed, bytes: bytes.max(HEAD_BYTES) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn duration_secs(&self) -> f64 {
        (self.bytes - HEAD_BYTES) as f64 / f64::from(wav::SAMPLE_RATE * 2)
    }

    /// The bytes from `at` on, at most 64 KiB of them; empty at the end.
    pub(crate) fn piece(&self, at: u64) -> Bytes {
        if at >= self.bytes {
            return Bytes::new();
        }
        if at < HEAD_BYTES {
            return self.head().slice(at as usize..);
        }
        let position = at - HEAD_BYTES;
        let within = (position % PIECE as u64) as usize;
        let start = (derive::mix(self.seed ^ (position / PIECE as u64)) % OFFSETS) as usize + within;
        let length = (PIECE - within).min(usize::try_from(self.bytes - at).unwrap_or(PIECE));
        noise().slice(start..start + length)
    }

    /// Streams all of it through SHA-256; lower-case hex.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Context::new(&SHA256);
        let mut at = 0;
        while at < self.bytes {
            let piece = self.piece(at);
            hash.update(&piece);
            at += piece.len() as u64;
        }
        derive::hex(hash.finish().as_ref())
    }

    /// The synthetic recording that a file of `total` bytes beginning with `head` is, if it is a whole one.
    pub(crate) fn recognise(head: &[u8], total: u64) -> Option<Self> {
        let comment = head.get(COMMENT_AT..COMMENT_AT + COMMENT_BYTES)?;
        let mut words = std::str::from_utf8(comment).ok()?.strip_prefix(COMMENT_START)?.split(' ');
        let bytes: u64 = words.next()?.parse().ok()?;
        let seed = u64::from_str_radix(words.next()?, 16).ok()?;
        (bytes == total).then_some(Self { seed, bytes })
    }

    fn head(&self) -> Bytes {
        let comment = format!("{COMMENT_START}{:020} {:016x}", self.bytes, self.seed);
        let mut head = Vec::with_capacity(HEAD_BYTES as usize);
        head.extend(b"RIFF");
        head.extend(wav::size_field(self.bytes - 8));
        head.extend(b"WAVE");
        head.extend(wav::format_chunk(1));
        head.extend(b"LIST");
        head.extend(wav::size_field(4 + 8 + COMMENT_BYTES as u64));
        head.extend(b"INFOICMT");
        head.extend(wav::size_field(COMMENT_BYTES as u64));
        head.extend(format!("{comment:<COMMENT_BYTES$}").bytes());
        head.extend(b"data");
        head.extend(wav::size_field(self.bytes - HEAD_BYTES));
        debug_assert_eq!(head.len() as u64, HEAD_BYTES);
        Bytes::from(head)
    }
}

/// The one block of noise, 320 KiB.
fn noise() -> &'static Bytes {
    static NOISE: OnceLock<Bytes> = OnceLock::new();
    NOISE.get_or_init(|| {
        let words = (OFFSETS + PIECE as u64) / 8;
        (0..words).flat_map(|word| derive::mix(word).to_le_bytes()).collect::<Vec<u8>>().into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(recording: Synthetic) -> Vec<u8> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < recording.len() {
            bytes.extend(recording.piece(bytes.len() as u64));
        }
        bytes
    }

    #[test]
    fn any_part_equals_that_part_of_the_whole() {
        let recording = Synthetic::new(7, 300_001);
        let all = whole(recording);
        assert_eq!(all.len(), 300_001);
        for at in [0, 1, 127, 128, 65_663, 65_664, 200_000, 300_000] {
            let piece = recording.piece(at);
            assert_eq!(piece, all[at as usize..at as usize + piece.len()], "from {at}");
        }
        assert!(recording.piece(300_001).is_empty());
    }

    #[test]
    fn hash_is_of_what_is_sent() {
        let recording = Synthetic::new(7, 300_001);
        assert_eq!(recording.sha256(), derive::hex(&derive::sha256(&whole(recording))));
    }

    #[test]
    fn every_seed_and_piece_differs() {
        let (first, second) = (Synthetic::new(1, 400_000), Synthetic::new(2, 400_000));
        assert_ne!(first.sha256(), second.sha256());
        assert_ne!(first.piece(HEAD_BYTES), first.piece(HEAD_BYTES + PIECE as u64));
    }

    #[test]
    fn whole_file_is_recognised_and_a_truncated_one_is_not() {
        let recording = Synthetic::new(9, 5_000);
        let head = recording.piece(0);
        assert_eq!(Synthetic::recognise(&head, 5_000), Some(recording));
        assert_eq!(Synthetic::recognise(&head, 4_999), None);
        assert_eq!(Synthetic::recognise(crate::clips()[0].wav, 4_999), None);
    }
}
