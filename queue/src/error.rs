//! What can go wrong with a queue.

use std::error::Error;
use std::sync::Arc;

/// What an engine said; one answer may be many callers'.
pub type Source = Arc<dyn Error + Send + Sync>;

/// A queue operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The lease ran out and the message went to another receiver: leave it to that one.
    #[error("the lease on the delivery was lost to another receiver")]
    LeaseLost,
    /// More is waiting to be written than the bound allows.
    #[error("the queue takes no more right now: too much is waiting to be written")]
    Overloaded,
    /// The URL names no queue this build knows, or not fully.
    #[error("{0}")]
    Unsupported(String),
    /// The engine is away, locked, full or out of rights; it may heal, and the same handle works on when it has.
    #[error("the queue {queue} is unavailable: {problem}")]
    Unavailable {
        /// Which; never with a password.
        queue: String,
        /// What is wrong and what to do.
        problem: String,
        /// The engine's own word.
        #[source]
        source: Option<Source>,
    },
    /// The file was moved or deleted while it was in use. It may be put back.
    #[error("the queue {0} is gone: put the file back, or restart callvault, whose reconcile finds what was waiting")]
    Gone(String),
    /// The file is damaged or no queue.
    #[error(
        "the queue {queue} is damaged: move it away and run `callvault reconcile`, which rebuilds all pending work"
    )]
    Corrupt {
        /// Which.
        queue: String,
        /// The engine's own word.
        #[source]
        source: Option<Source>,
    },
}

impl QueueError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, QueueError::Overloaded | QueueError::Unavailable { .. } | QueueError::Gone(_))
    }

    /// Puts SQLite's result code (sqlite.org/rescode.html) into words.
    pub(crate) fn from_sqlite(file: &str, source: impl Into<Arc<sqlx::Error>>) -> Self {
        let source: Arc<sqlx::Error> = source.into();
        let code = source.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
        let queue = file.to_owned();
        let problem = match code.map(|code| code & 0xff) {
            Some(11 | 26) => return QueueError::Corrupt { queue, source: Some(source) },
            Some(5 | 6) => "another process holds its lock for long",
            Some(8) => "it is read-only for this user",
            Some(10) => "reading or writing failed: see the disk",
            Some(13) => "the disk is full",
            Some(14) => "it cannot be opened: see the folder and its rights",
            _ => "the database failed",
        };
        QueueError::Unavailable { queue, problem: problem.to_owned(), source: Some(source) }
    }
}

/// A message's body is no job this build knows. The text is not repeated: it may hold anything.
#[derive(Debug, thiserror::Error)]
#[error("not a job this version knows (line {}, column {})", .0.line(), .0.column())]
pub struct DecodeError(pub(crate) serde_json::Error);
