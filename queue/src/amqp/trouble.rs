//! What the broker or the way to it refuses, in words.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::url::Address;
use crate::error::{QueueError, Source};

/// Why an operation failed; one may be many callers'.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) problem: String,
    pub(super) source: Option<Source>,
    /// A queue does not exist.
    pub(super) is_missing: bool,
    /// The broker was there and refused, or is not the one we trust: it takes a human to mend that.
    pub(super) is_refusal: bool,
}

impl Trouble {
    pub(super) fn new(problem: impl Into<String>) -> Trouble {
        Trouble { problem: problem.into(), source: None, is_missing: false, is_refusal: false }
    }

    /// The broker said nothing for `limit`.
    pub(super) fn silent(limit: Duration) -> Trouble {
        Trouble::new(format!("the broker did not answer within {} ms", limit.as_millis()))
    }

    /// An alarm keeps the broker from reading what publishers send.
    pub(super) fn blocked() -> Trouble {
        Trouble::new(
            "the broker takes no messages while its memory or disk alarm lasts: see `rabbitmq-diagnostics alarms`",
        )
    }

    /// Nobody is left who would answer.
    pub(super) fn lost() -> Trouble {
        Trouble::new("the connection was lost before the broker answered")
    }

    pub(super) fn into_error(self, address: &Address) -> QueueError {
        QueueError::Unavailable { queue: address.shown.to_string(), problem: self.problem, source: self.source }
    }
}

impl From<lapin::Error> for Trouble {
    fn from(error: lapin::Error) -> Trouble {
        let problem = match error.kind() {
            // The broker's own words name the queue, the exchange or the user.
            ErrorKind::ProtocolError(said) => {
                let problem = format!("{} ({})", in_words(&error, said.get_message().as_str()), said.get_message());
                let is_missing = kind(&error) == Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND));
                return Trouble { is_missing, is_refusal: needs_a_human(said.kind()), ..Trouble::new(problem) };
            }
            ErrorKind::IOError(error) => io_in_words(error),
            ErrorKind::MissingHeartbeatError => "the broker went silent",
            _ => "the connection to the broker is lost",
        };
        let is_refusal = matches!(error.kind(), ErrorKind::IOError(error) if is_untrusted(error));
        Trouble { source: Some(Arc::new(error)), is_refusal, ..Trouble::new(problem) }
    }
}

/// `said` is the broker's own text: it has one code for a wrong password and a missing right, and one for a virtual host
/// that is not there and one that is closed.
fn in_words(error: &lapin::Error, said: &str) -> &'static str {
    use AMQPErrorKind::{Hard, Soft};
    match kind(error) {
        Some(Soft(AMQPSoftError::ACCESSREFUSED)) if said.contains("Login was refused") => {
            "the user or its password is wrong"
        }
        Some(Soft(AMQPSoftError::ACCESSREFUSED)) => "the user lacks a right: docs/engines/rabbitmq.md lists them",
        Some(Soft(AMQPSoftError::NOTFOUND)) => "a queue is missing",
        Some(Soft(AMQPSoftError::PRECONDITIONFAILED)) => {
            "the broker refuses it: where a queue was declared otherwise, delete it or see docs/engines/rabbitmq.md"
        }
        Some(Hard(AMQPHardError::NOTALLOWED)) if said.contains("not found") => "there is no such virtual host",
        Some(Hard(AMQPHardError::NOTALLOWED)) => "the virtual host is closed to this user",
        Some(Hard(AMQPHardError::CONNECTIONFORCED)) => "the broker closed the connection",
        _ => "the broker ended it",
    }
}

/// What stays so however often it is asked for.
fn needs_a_human(kind: &AMQPErrorKind) -> bool {
    use AMQPErrorKind::{Hard, Soft};
    let refusals = [AMQPSoftError::ACCESSREFUSED, AMQPSoftError::NOTFOUND, AMQPSoftError::PRECONDITIONFAILED];
    match kind {
        Soft(said) => refusals.contains(said),
        Hard(said) => *said == AMQPHardError::NOTALLOWED,
    }
}

/// What TLS fails with.
fn is_untrusted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

fn io_in_words(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: is the broker running?",
        io::ErrorKind::TimedOut => "the way to the broker swallows what is sent",
        _ if is_untrusted(error) => "TLS failed: is the port right, and the broker's certificate trusted?",
        _ => "the connection to the broker failed",
    }
}

pub(super) fn is_refused(error: &lapin::Error) -> bool {
    matches!(kind(error), Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)))
}

fn kind(error: &lapin::Error) -> Option<AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(said) => Some(said.kind().clone()),
        _ => None,
    }
}

/// Ends what takes longer than `limit`.
pub(super) async fn within<T, E: Into<Trouble>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Trouble::silent(limit)),
    }
}
