//! What stands behind a recording, and the bytes of it that are asked for.

use std::sync::OnceLock;

use bytes::Bytes;
use twilio::MediaFormat;

use crate::encryption::Encrypted;
use crate::synthetic::Synthetic;
use crate::{Clip, clips, derive, synthetic, wav};

/// The media of one recording.
#[derive(Clone, Debug)]
pub(crate) enum Media {
    Clip(&'static Clip),
    Synthetic(Synthetic),
    Encrypted(Encrypted),
}

/// One file as it is sent.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    Synthetic(Synthetic),
}

impl Media {
    pub(crate) fn channels(&self) -> u8 {
        match self {
            Self::Clip(clip) => clip.channels,
            Self::Synthetic(_) => 1,
            Self::Encrypted(encrypted) => encrypted.clip().channels,
        }
    }

    pub(crate) fn duration_secs(&self) -> f64 {
        match self {
            Self::Clip(clip) => clip.duration_secs(),
            Self::Synthetic(recording) => recording.duration_secs(),
            Self::Encrypted(encrypted) => encrypted.clip().duration_secs(),
        }
    }

    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Clip(clip) => clip.text,
            Self::Synthetic(_) => synthetic::TEXT,
            Self::Encrypted(encrypted) => encrypted.clip().text,
        }
    }

    /// The WAV with all its channels, or the ciphertext of it.
    pub(crate) fn wav(&self) -> Content {
        match self {
            Self::Clip(clip) => Content::Bytes(Bytes::from_static(clip.wav)),
            Self::Synthetic(recording) => Content::Synthetic(*recording),
            Self::Encrypted(encrypted) => Content::Bytes(encrypted.ciphertext()),
        }
    }

    /// The file in this format; `None` where there is none. MP3s come with the channels they were made with.
    pub(crate) fn content(&self, format: MediaFormat, channels: u8) -> Option<Content> {
        match (self, format) {
            (Self::Clip(clip), MediaFormat::Wav) if channels == 1 && clip.channels == 2 => {
                Some(Content::Bytes(mixed_down(clip)))
            }
            (_, MediaFormat::Wav) => Some(self.wav()),
            (Self::Clip(clip), MediaFormat::Mp3) => Some(Content::Bytes(Bytes::from_static(clip.mp3))),
            (_, MediaFormat::Mp3) => None,
        }
    }
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Synthetic(recording) => recording.len(),
        }
    }

    /// The bytes from `at` to `end` (exclusive), at most 64 KiB of them.
    pub(crate) fn piece(&self, at: u64, end: u64) -> Bytes {
        let mut piece = match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(start..bytes.len().min(start + 64 * 1024))
            }
            Self::Synthetic(recording) => recording.piece(at),
        };
        piece.truncate(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
        piece
    }

    /// Lower-case hex; streams synthetic media, about a second for two gigabytes.
    pub(crate) fn sha256(&self) -> String {
        match self {
            Self::Bytes(bytes) => derive::hex(&derive::sha256(bytes)),
            Self::Synthetic(recording) => recording.sha256(),
        }
    }
}

/// A two-channel clip as one channel; made once.
pub(crate) fn mixed_down(clip: &Clip) -> Bytes {
    static MIXED: OnceLock<Vec<Bytes>> = OnceLock::new();
    let mixed = MIXED.get_or_init(|| {
        clips()
            .iter()
            .map(|clip| if clip.channels == 2 { wav::mix_down(clip.wav).into() } else { Bytes::new() })
            .collect()
    });
    let index = clips().iter().position(|other| other.name == clip.name);
    index.map(|index| mixed[index].clone()).unwrap_or_default()
}
