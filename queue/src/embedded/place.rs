//! The file under its name. SQLite goes on writing to a file that was deleted or moved away, and says that all is well:
//! what is published there, nobody will ever receive.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use crate::error::QueueError;

/// A path, and which file was there when it was opened.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: Arc<str>,
    file: (u64, u64),
}

impl Place {
    pub(super) fn of(path: Arc<str>) -> io::Result<Place> {
        let file = identity(&std::fs::metadata(&*path)?);
        Ok(Place { path, file })
    }

    /// Whether the path still leads to that file.
    pub(super) async fn check(&self) -> Result<(), QueueError> {
        match tokio::fs::metadata(&*self.path).await {
            Ok(metadata) if identity(&metadata) == self.file => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(QueueError::from_sqlite(&self.path, sqlx::Error::Io(error)))
            }
            _ => Err(QueueError::Gone(self.path.to_string())),
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
