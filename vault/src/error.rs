//! What can go wrong with a vault, in the words that decide what to do about it.

use std::io;

use crate::key::ObjectKey;

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No space: it may heal.
    Full,
    /// Rights are missing.
    Denied,
    /// There is no such object.
    NotFound,
    /// The bucket or folder itself is missing or elsewhere: never to be taken for an object that is gone.
    NoStore,
    /// The store is away or failed: try again.
    Unavailable,
    /// The body to be stored broke off: nothing was stored.
    Source,
    /// The URL names no store, or the store cannot do what is asked: another setting or another server helps.
    Unsupported,
}

/// An object store's operation failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What to do about it.
    pub kind: StoreErrorKind,
    what: String,
    #[source]
    source: Option<io::Error>,
}

impl StoreError {
    pub(crate) fn new(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        StoreError { kind, what: what.into(), source: None }
    }

    pub(crate) fn not_found(key: &ObjectKey) -> Self {
        StoreError::new(StoreErrorKind::NotFound, format!("{key}: no such object"))
    }

    pub(crate) fn source_broke(key: &ObjectKey, error: io::Error) -> Self {
        StoreError {
            kind: StoreErrorKind::Source,
            what: format!("{key}: what was to be stored broke off"),
            source: Some(error),
        }
    }

    /// An error of the system about `what`. One that carries a [`StoreError`] is that one.
    pub(crate) fn io(what: impl std::fmt::Display, error: io::Error) -> Self {
        let error = match error.downcast::<StoreError>() {
            Ok(error) => return error,
            Err(error) => error,
        };
        let (kind, problem) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (StoreErrorKind::Full, "the disk is full"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (StoreErrorKind::Denied, "no right to do that: see the folder's owner and mode")
            }
            io::ErrorKind::NotFound => (StoreErrorKind::NotFound, "not found"),
            _ => (StoreErrorKind::Unavailable, "reading or writing failed"),
        };
        StoreError { kind, what: format!("{what}: {problem}"), source: Some(error) }
    }

    /// Whether there is simply no such object.
    pub fn is_not_found(&self) -> bool {
        self.kind == StoreErrorKind::NotFound
    }

    /// Whether trying again later may help. What an operator has to mend counts: once it is, it does.
    pub fn is_transient(&self) -> bool {
        !matches!(self.kind, StoreErrorKind::NotFound | StoreErrorKind::Source)
    }
}

/// Sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The store failed.
    #[error("the object store failed")]
    Store(#[from] StoreError),
    /// There is no key to open with.
    #[error("there is no key to open with: set ENCRYPTION_IDENTITY_FILE")]
    NoIdentity,
    /// The key at hand is not one the object was sealed to.
    #[error("no key at hand opens it: ENCRYPTION_IDENTITY_FILE must hold one it was sealed to")]
    WrongKey,
    /// The object is not what was sealed.
    #[error("the object is damaged")]
    Broken(#[source] io::Error),
    /// Longer than is read into memory.
    #[error("{key} is longer than {max_bytes} bytes")]
    TooLong {
        /// Which.
        key: ObjectKey,
        /// The bound.
        max_bytes: usize,
    },
    /// The store says that it deleted the object, and still has it.
    #[error("{0} was deleted and is still there")]
    StillThere(ObjectKey),
    /// Sealing failed before anything was stored.
    #[error("cannot seal")]
    Seal(#[source] io::Error),
}

impl VaultError {
    /// Why the body of an opened object ended early: the store failed, or the object is damaged.
    pub fn of_body(error: io::Error) -> VaultError {
        let error = match error.downcast::<VaultError>() {
            Ok(error) => return error,
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => VaultError::Store(error),
            Err(error) => VaultError::Broken(error),
        }
    }

    /// Whether trying again later may help. A missing or wrong key is an operator's to mend, and then it does.
    pub fn is_transient(&self) -> bool {
        match self {
            VaultError::Store(error) => error.is_transient(),
            VaultError::NoIdentity | VaultError::WrongKey | VaultError::StillThere(_) | VaultError::Seal(_) => true,
            VaultError::Broken(_) | VaultError::TooLong { .. } => false,
        }
    }
}

/// A key file cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is there already, and keys are never overwritten.
    #[error("the file exists: a key is never overwritten")]
    Exists,
    /// There is no key in it.
    #[error("no age identity in it: expected a line AGE-SECRET-KEY-1…, as age-keygen writes it")]
    Empty,
    /// A line of it is no key.
    #[error("line {0} is neither a comment nor an age identity")]
    Line(usize),
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}
