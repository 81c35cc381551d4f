//! Whether the folder is there, and is the one that was in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::UNFINISHED;
use crate::error::{StoreError, StoreErrorKind};

/// Tells a folder that is away from one that holds nothing yet: what was in use has `.unfinished` in it, and where a disk
/// is not mounted that is missing. Being away must neither read as "every object is gone" nor make a second place for
/// objects, which the disk would hide again.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    root: PathBuf,
    was_in_use: Arc<AtomicBool>,
}

impl Presence {
    pub(super) fn of(root: &Path) -> Self {
        Presence { root: root.to_owned(), was_in_use: Arc::default() }
    }

    /// Fails with [`StoreErrorKind::NoStore`] while the folder is away.
    pub(super) fn check(&self) -> io::Result<()> {
        match fs::metadata(self.root.join(UNFINISHED)) {
            Ok(_) => {
                self.was_in_use.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) if self.root.is_dir() && !self.was_in_use.load(Ordering::Relaxed) => Ok(()),
            Err(_) => Err(self.away()),
        }
    }

    /// Of an error while writing, where "not found" can only mean that the folder went away meanwhile.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::NotFound { self.away() } else { error }
    }

    fn away(&self) -> io::Error {
        let problem = format!("the vault is not at {}: is its disk mounted?", self.root.display());
        io::Error::other(StoreError::new(StoreErrorKind::NoStore, problem))
    }
}
