//! The provider-neutral transcript and the providers that make one.
//!
//! [`Transcriber`] takes a recording's media and gives a [`Transcription`]; with the recording's SIDs and a version it
//! becomes the [`Transcript`] that is kept. Three providers: [`Deepgram`], [`OpenAi`] (any server that speaks OpenAI's
//! transcription API) and [`Command`] (a program of the operator's own).

mod command;
mod deepgram;
mod error;
mod http;
mod media;
mod openai;
mod rendering;
mod transcript;

use async_trait::async_trait;

pub use command::{Command, CommandConfig};
pub use deepgram::{Deepgram, DeepgramConfig};
pub use error::{FaultKind, TranscriberError};
pub use media::Media;
pub use openai::{OpenAi, OpenAiConfig};
pub use transcript::{Transcript, Transcription, Utterance, Word};

/// What is asked of a provider besides the media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscribeOptions {
    /// The provider's name of a model; `None`: the provider's default.
    pub model: Option<String>,
    /// The language spoken, as the provider names it; `None`: detected.
    pub language: Option<String>,
}

/// Makes text of speech.
#[async_trait]
pub trait Transcriber: std::fmt::Debug + Send + Sync {
    /// Transcribes one recording. Silence gives an empty transcription, not an error.
    ///
    /// The media is read once, as a stream, and never written to a disk. The time limit grows with the recording's
    /// length. Nothing is retried here: the error's kind says what the caller should do. Safe to call again with the
    /// same recording (it costs the provider's work again), and safe to drop, which gives the work up.
    async fn transcribe(&self, media: Media, options: &TranscribeOptions) -> Result<Transcription, TranscriberError>;

    /// The provider's name as it stands in transcripts and settings: `deepgram`, `openai`, `command`.
    fn provider(&self) -> &'static str;

    /// Sees whether the provider is there and takes our credentials, without transcribing anything.
    async fn check(&self) -> Result<(), TranscriberError>;

    /// Bytes of media that one transcription holds in memory at once, of a recording of `media_bytes`; 0 where the
    /// media only streams through. A caller with a memory budget reserves them first.
    fn memory_bytes(&self, media_bytes: u64) -> u64 {
        let _ = media_bytes;
        0
    }
}
