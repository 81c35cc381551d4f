//! What can come of a stage's work, in the words that decide what happens next.

use std::time::Duration;

use catalog::CatalogError;
use queue::QueueError;
use transcriber::{FaultKind, TranscriberError};
use twilio::{TwilioError, TwilioErrorKind};
use vault::{StoreErrorKind, VaultError};

/// What a stage returns: what it did, in a word for logs and metrics, or why it could not.
pub type Handled = Result<&'static str, Fault>;

/// Why a stage's work is not done. [`crate::Dispatcher`] turns it into a settlement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is wrong: another worker is at it. Looked at again for as long as that takes; costs no attempt.
    #[error("another worker is at it")]
    Busy,
    /// Nothing is wrong, it is too early: Twilio is not ready, say. Costs no attempt.
    #[error("{why}")]
    NotYet {
        /// How long to wait.
        after: Duration,
        /// What is waited for.
        why: String,
    },
    /// This process is stopping: the delivery goes back at once and costs no attempt.
    #[error("handed back: this worker is stopping")]
    HandedBack,
    /// Told to slow down (429). Costs no attempt.
    #[error("{why}")]
    Throttled {
        /// What the peer asked for, where it did.
        after: Option<Duration>,
        /// Who said so.
        why: String,
    },
    /// Credentials are missing, wrong or not enough, or the store is not what the settings ask for: every job would fail
    /// alike, so it waits and costs no attempt.
    #[error("{0}")]
    Unauthorized(String),
    /// The peer is down, for all that is known, and not just for this recording: it waits and costs no attempt.
    #[error("{0}")]
    Away(String),
    /// Time-outs, resets, 5xx, a full disk: tried again for a day, with growing pauses.
    #[error("{0}")]
    Transient(String),
    /// What came is not what it should be, and might be next time (an error page as media): a few tries, then parked.
    #[error("{0}")]
    Suspect(String),
    /// It can never succeed as it is: a dead letter at once.
    #[error("{0}")]
    Rejected(String),
}

impl From<TwilioError> for Fault {
    fn from(error: TwilioError) -> Self {
        let why = chain(&error);
        match error.kind {
            TwilioErrorKind::Transient => Fault::Transient(why),
            TwilioErrorKind::Throttled => Fault::Throttled { after: error.retry_after, why },
            TwilioErrorKind::Unauthorized => Fault::Unauthorized(why),
            TwilioErrorKind::Rejected | TwilioErrorKind::NotFound => Fault::Rejected(why),
        }
    }
}

impl From<TranscriberError> for Fault {
    fn from(error: TranscriberError) -> Self {
        let why = chain(&error);
        match error.kind {
            FaultKind::Transient => Fault::Transient(why),
            FaultKind::Throttled => Fault::Throttled { after: error.retry_after, why },
            FaultKind::Unauthorized => Fault::Unauthorized(why),
            FaultKind::Rejected => Fault::Rejected(why),
        }
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        // Everything a catalog says heals or is an operator's to mend; a recording is never parked for it at once.
        Fault::Transient(chain(&error))
    }
}

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        Fault::Transient(chain(&error))
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let why = chain(&error);
        match &error {
            VaultError::Store(store) if is_the_operators(store.kind) => Fault::Unauthorized(why),
            error if error.is_transient() => Fault::Transient(why),
            _ => Fault::Suspect(why),
        }
    }
}

/// The bucket, the rights to it or what its server can do: nothing any recording could help, and an operator's to mend.
fn is_the_operators(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Denied | StoreErrorKind::NoStore | StoreErrorKind::Unsupported)
}

/// An error and its sources in one line: what the log and the dead letter show.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use vault::{S3Options, open_store};

    use super::*;

    #[tokio::test]
    async fn store_that_an_operator_must_mend_costs_no_attempt() {
        for (kind, is_waited_for) in [
            (StoreErrorKind::Denied, true),
            (StoreErrorKind::NoStore, true),
            (StoreErrorKind::Unsupported, true),
            (StoreErrorKind::Unavailable, false),
        ] {
            let mut error = open_store("no store", S3Options::default()).await.unwrap_err();
            error.kind = kind;
            let fault = Fault::from(VaultError::Store(error));
            assert_eq!(matches!(fault, Fault::Unauthorized(_)), is_waited_for, "{fault:?}");
        }
    }
}
