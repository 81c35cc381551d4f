//! The spool's folder, which one process has at a time: it counts what is in there.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use queue::QueueError;

/// The embedded queue in the folder.
const FILE: &str = "spool.db";

/// Of the queue in a folder.
pub(super) fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join(FILE).display())
}

/// Whether a folder was ever a spool.
pub(super) fn has_spool(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// A spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It cannot be made, written or locked.
    #[error("the folder {folder} cannot be used: see its volume, owner and mode")]
    Folder {
        /// Which.
        folder: String,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// Two processes would each count only what they spooled themselves.
    #[error("the folder {0} is the spool of another process: give each ingest a folder of its own")]
    InUse(String),
    /// What is in it is damaged, or cannot be read.
    #[error(transparent)]
    File(#[from] QueueError),
}

/// A folder that is this process's until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The system's lock on it goes with it.
    _lock: File,
}

impl Folder {
    pub(super) fn claim(path: &Path) -> Result<Folder, SpoolError> {
        let shown = || path.display().to_string();
        let wrong = |source| SpoolError::Folder { folder: shown(), source };
        std::fs::create_dir_all(path).map_err(wrong)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock")).map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(shown())),
            Err(TryLockError::Error(source)) => Err(wrong(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}
