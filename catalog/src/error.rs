//! What can go wrong with a catalog, told apart by what to do about it.

mod postgres;
mod sqlite;

use std::io;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use twilio::RecordingSid;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a catalog did not do what it was asked to. Nothing was changed; only where the connection broke during the very
/// commit, that is not known, and asking again does no harm. None of them shows a user or a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The URL names no catalog that this build can open.
    #[error("not the URL of a catalog: {0}")]
    Url(String),
    /// It can't be reached or written at this moment: trying later may help.
    #[error("the catalog can't be used now: {problem}")]
    Unavailable {
        /// What is in the way, and what would mend it.
        problem: &'static str,
        /// What the database said.
        source: BoxError,
    },
    /// It may not be opened or written as things are; somebody must change that.
    #[error("the catalog may not be used: {problem}")]
    Denied {
        /// What is in the way, and what would mend it.
        problem: &'static str,
        /// What the database or the system said.
        source: BoxError,
    },
    /// What is stored is not, or no longer, a catalog.
    #[error("the catalog is damaged, or the file is something else: restore it from a backup")]
    Corrupt {
        /// What the database said.
        source: BoxError,
    },
    /// The schema is missing or older than this version needs.
    #[error("the catalog's schema is not up to date: run `callvault migrate`")]
    NotMigrated,
    /// The schema is of a newer version and lacks what this one needs.
    #[error("the catalog's schema is too new for this version: run the version that migrated it, or a newer one")]
    SchemaTooNew,
    /// The schema can't be brought up to date.
    #[error("the catalog's schema can't be brought up to date")]
    Migration {
        /// What stands against it.
        source: BoxError,
    },
    /// Another holder has the claim now, or a purge took it away: whatever was done under it must not count.
    #[error("the claim was lost to another holder")]
    ClaimLost,
    /// No such recording was ever heard of.
    #[error("the catalog knows no recording {0}")]
    UnknownRecording(RecordingSid),
    /// The recording is not in a state that allows it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Anything else the database said.
    #[error("the catalog's database refused a statement")]
    Database {
        /// What it said.
        source: BoxError,
    },
}

/// Why something may not be done to a recording as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is a tombstone.
    #[error("the recording is deleted: nothing is left of it")]
    Deleted,
    /// Its deletion has begun and can't be stopped halfway.
    #[error("the recording is marked for deletion: what was chosen is being deleted now")]
    Marked,
    /// There is a hold on it.
    #[error("the recording is under a legal hold already: release that one first")]
    AlreadyHeld,
    /// There is no hold on it.
    #[error("the recording is under no legal hold")]
    NotHeld,
    /// Its media is not stored: not yet, or no longer.
    #[error("the recording's media is not in the vault")]
    NoMedia,
    /// Every copy of its audio was past its date and deleted.
    #[error("the recording's audio is past its date and deleted")]
    AudioDeleted,
    /// Twilio's copy was deleted.
    #[error("Twilio's copy of the recording is deleted: there is nothing to archive again")]
    GoneAtTwilio,
    /// Its media is stored already.
    #[error("the recording's media is stored already")]
    AlreadyStored,
    /// Only the account's owner can open it.
    #[error("the recording was encrypted by Twilio: it can't be transcribed")]
    Encrypted,
    /// Its transcripts were past their date and deleted.
    #[error("the recording's transcripts are past their date and deleted: no new one is made")]
    TranscriptsDeleted,
    /// No such version was staged.
    #[error("the recording has no such version of a transcript")]
    NoTranscript,
}

impl CatalogError {
    /// Whether trying again later may help without anybody doing something about it: a lock, a full disk, a broken
    /// connection.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether two transactions kept each other from going on, and trying again at once is likely to help.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Unavailable { problem: postgres::CONFLICT, .. })
    }

    fn unavailable(problem: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { problem, source: source.into() }
    }

    pub(crate) fn denied(problem: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Denied { problem, source: source.into() }
    }
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => postgres::read(error),
                None => sqlite::read(error),
            },
            sqlx::Error::Io(error) => connection(error),
            error @ sqlx::Error::PoolTimedOut => {
                Self::unavailable("all its connections are in use for too long", error)
            }
            error @ (sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_)) => {
                Self::unavailable("the connection to it broke", error)
            }
            error @ sqlx::Error::Tls(_) => Self::denied(NO_TLS, error),
            sqlx::Error::Configuration(error) => Self::Url(error.to_string()),
            error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                Self::Corrupt { source: error.into() }
            }
            error => Self::Database { source: error.into() },
        }
    }
}

const NO_TLS: &str = "no TLS came about that is as sslmode and sslrootcert ask for";

/// What became of a connection to a server.
fn connection(error: io::Error) -> CatalogError {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, NotFound, TimedOut, UnexpectedEof,
    };
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            CatalogError::unavailable("the connection to it broke", error)
        }
        TimedOut => CatalogError::unavailable("its server does not answer", error),
        // rustls says what it does not like about the server this way.
        InvalidData => CatalogError::denied(NO_TLS, error),
        NotFound => CatalogError::unavailable("its server's socket, or a certificate's file, is not there", error),
        _ => CatalogError::unavailable("its server can't be reached: see that it runs, and its host and port", error),
    }
}

impl From<MigrateError> for CatalogError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Migration { source: error.into() },
        }
    }
}
