//! What can go wrong with a catalog, told apart by what to do about it.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use twilio::RecordingSid;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a catalog did not do what it was asked to. Nothing was changed.
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
            sqlx::Error::Database(error) => sqlite(error),
            error @ sqlx::Error::PoolTimedOut => Self::unavailable("it is too busy", error),
            error @ (sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => {
                Self::unavailable("the connection to it broke", error)
            }
            error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                Self::Corrupt { source: error.into() }
            }
            error => Self::Database { source: error.into() },
        }
    }
}

/// SQLite's result codes: <https://www.sqlite.org/rescode.html>. The low byte of an extended code is the primary one.
fn sqlite(error: Box<dyn DatabaseError>) -> CatalogError {
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).map(|extended| extended & 0xff);
    let has_no_table = error.message().starts_with("no such table") || error.message().starts_with("no such column");
    match code {
        Some(1) if has_no_table => CatalogError::NotMigrated,
        Some(5 | 6) => CatalogError::unavailable("another process keeps it locked", error),
        Some(7) => CatalogError::unavailable("there is no memory left", error),
        Some(10) => CatalogError::unavailable("its disk fails, or is full", error),
        Some(13) => CatalogError::unavailable("its disk is full: free some space", error),
        Some(3 | 8 | 23) => CatalogError::denied("its file or folder is read-only", error),
        Some(14) => CatalogError::denied("its file can't be opened: see that the folder is there and writable", error),
        Some(11 | 26) => CatalogError::Corrupt { source: error.into() },
        _ => CatalogError::Database { source: error.into() },
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
