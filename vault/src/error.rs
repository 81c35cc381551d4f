//! What can go wrong with a store and with a vault.

use std::error::Error;
use std::{fmt, io};

use crate::object_key::ObjectKey;

type BoxError = Box<dyn Error + Send + Sync>;

/// A store operation failed. Its `Display` says what was tried and what to do; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {target}: {kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    action: &'static str,
    target: String,
    source: Option<BoxError>,
}

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// There is no such object.
    NotFound,
    /// No space, or a quota used up. Heals when somebody makes room.
    Full,
    /// No permission, a read-only place, or credentials that aren't taken. Somebody must mend it.
    Denied,
    /// The service asks for fewer requests.
    Throttled,
    /// The place can't be reached or broke; it may heal, and the same handle works on when it has.
    Unavailable,
    /// The body of a put yielded an error or ended wrong; the store is well.
    Body,
    /// No store of this build has the URL's scheme.
    Unsupported,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreErrorKind::NotFound => "there is no such object",
            StoreErrorKind::Full => "no space is left (or the quota is used up): make room, it goes on by itself",
            StoreErrorKind::Denied => "permission denied: this process must be able to read and write there",
            StoreErrorKind::Throttled => "the service asks to slow down",
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Body => "the bytes to write broke off",
            StoreErrorKind::Unsupported => "this build knows none; expected file:PATH",
        })
    }
}

impl StoreError {
    /// An error without a cause beyond `kind`; `target` is an object's key or a folder, never a secret.
    pub fn new(kind: StoreErrorKind, action: &'static str, target: impl Into<String>) -> Self {
        StoreError { kind, action, target: target.into(), source: None }
    }

    /// Names what caused it.
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        StoreError { source: Some(source.into()), ..self }
    }

    /// Puts an error of the file system into words; what is missing is [`StoreErrorKind::NotFound`].
    pub(crate) fn from_io(action: &'static str, target: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
            _ => StoreErrorKind::Unavailable,
        };
        StoreError::new(kind, action, target).with_source(source)
    }

    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same operation may succeed later by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Full | StoreErrorKind::Throttled | StoreErrorKind::Unavailable)
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.kind == StoreErrorKind::NotFound
    }
}

/// A vault operation failed.
///
/// The streams a vault gives yield `io::Error`s that carry one of these: [`VaultError::from`] takes it out again.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The plain stream to seal yielded an error: the caller's own, as it was.
    #[error("the media broke off while it was sealed as {key}")]
    Source {
        /// What would have been written.
        key: ObjectKey,
        /// The stream's error.
        source: io::Error,
    },
    /// The vault holds no identity: it can seal, not open.
    #[error("cannot open {key}: no identity is configured; set ENCRYPTION_IDENTITY_FILE")]
    NoIdentity {
        /// What was to be opened.
        key: ObjectKey,
    },
    /// None of the identities opens it. Damage to the part of the header that wraps the key looks just so, too.
    #[error("cannot open {key}: it is sealed to none of the identities in ENCRYPTION_IDENTITY_FILE")]
    WrongKey {
        /// What was to be opened.
        key: ObjectKey,
    },
    /// The object is damaged, truncated or no age file.
    #[error("{key} is damaged: {problem}")]
    Corrupt {
        /// What was opened.
        key: ObjectKey,
        /// What is wrong.
        problem: &'static str,
        /// The age library's own word.
        source: Option<BoxError>,
    },
    /// More plain bytes than the caller would take.
    #[error("{key} holds more than the {max_bytes} bytes that were asked for at most")]
    TooLarge {
        /// What was read.
        key: ObjectKey,
        /// The caller's bound.
        max_bytes: usize,
    },
    /// It was deleted, and yet it is there: the store kept it, or somebody put it anew.
    #[error("{key} is still there after it was deleted")]
    StillThere {
        /// What was deleted.
        key: ObjectKey,
    },
    /// The age library would not begin a file: no fault of the media or the store.
    #[error("cannot seal {key}")]
    Seal {
        /// What would have been written.
        key: ObjectKey,
        /// The age library's own word.
        source: BoxError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VaultError {
    /// Whether the same operation may succeed later by itself. Of a failed plain stream only its owner knows: false.
    pub fn is_transient(&self) -> bool {
        match self {
            VaultError::Store(error) => error.is_transient(),
            VaultError::StillThere { .. } => true,
            _ => false,
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, VaultError::Store(error) if error.is_not_found())
    }
}

impl From<VaultError> for io::Error {
    fn from(error: VaultError) -> Self {
        let kind = match error {
            VaultError::Corrupt { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Takes out what a vault's stream put in.
impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<VaultError>() {
            Ok(error) => error,
            Err(error) => VaultError::Store(StoreError::from_io("read", "an object", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn kind_of(error: io::Error) -> StoreErrorKind {
        StoreError::from_io("write", "it", error).kind()
    }

    #[test]
    fn full_disk_is_transient() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().write(b"x").unwrap_err();
        let error = StoreError::from_io("write", "it", full);
        assert_eq!((error.kind(), error.is_transient()), (StoreErrorKind::Full, true));
    }

    /// The numbers are Linux's, from errno(3).
    #[test]
    fn quota_permission_and_read_only_are_told_apart_from_a_broken_disk() {
        let (eperm, eio, eacces, erofs, edquot) = (1, 5, 13, 30, 122);
        assert_eq!(kind_of(io::Error::from_raw_os_error(edquot)), StoreErrorKind::Full);
        for denied in [eperm, eacces, erofs] {
            assert_eq!(kind_of(io::Error::from_raw_os_error(denied)), StoreErrorKind::Denied);
        }
        assert_eq!(kind_of(io::Error::from_raw_os_error(eio)), StoreErrorKind::Unavailable);
    }

    #[test]
    fn vault_error_survives_the_way_through_a_stream() {
        let key: ObjectKey = format!("recordings/AC{0}/2026/01/02/RE{0}.wav.age", "0".repeat(32)).parse().unwrap();
        let error = VaultError::from(io::Error::from(VaultError::NoIdentity { key }));
        assert!(matches!(error, VaultError::NoIdentity { .. }), "{error}");
    }
}
