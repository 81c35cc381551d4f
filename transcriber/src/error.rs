//! What can go wrong with a transcription, in the words that decide what happens next.

use std::error::Error;
use std::time::Duration;

/// What a caller should do about a [`TranscriberError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It may succeed as it is, later: a time-out, a broken connection, a 5xx, an answer that makes no sense.
    Transient,
    /// The provider wants fewer requests (429): wait, for `retry_after` where it is given.
    Throttled,
    /// This recording will never succeed as it is: try no more.
    Rejected,
    /// What is configured is not accepted: a key missing, wrong or out of credit, a wrong address, a program that can't
    /// be started. Every recording would fail alike until an operator mends it.
    Unauthorized,
}

/// Why there is no transcription. Its text holds neither the key nor anything that was said in the recording.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TranscriberError {
    /// What to do about it.
    pub kind: FaultKind,
    /// How long the provider asked to be left alone, clamped to one second .. one hour.
    pub retry_after: Option<Duration>,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TranscriberError {
    /// An error of `kind`; `message` says what happened and what to do, and holds no secret and no transcript text.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, retry_after: None, message: message.into(), source: None }
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
