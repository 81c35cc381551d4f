//! The media as a file that exists in memory only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use bytes::Bytes;
use futures::stream::{BoxStream, TryStreamExt};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::error::{FaultKind, TranscriberError};

/// A memfd (memfd_create(2)): no name on any file system, gone when it is dropped and the program has closed it. Full
/// and sealed once made, so that the program can't change it.
pub(super) struct MemoryFile(File);

impl MemoryFile {
    /// Holds the whole of `body`.
    pub(super) async fn of(mut body: BoxStream<'static, io::Result<Bytes>>) -> Result<Self, TranscriberError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("recording", flags).map_err(|error| no_memory(error.into()))?);
        while let Some(chunk) = body.try_next().await.map_err(media_broke_off)? {
            // A copy in memory: it blocks on nothing.
            file.write_all(&chunk).map_err(no_memory)?;
        }
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&file, seals).map_err(|error| no_memory(error.into()))?;
        Ok(Self(file))
    }

    /// The path under which the program, and what it starts, can open the file while this process holds it. Each open
    /// has a position of its own. Only processes of the same user can.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn no_memory(error: io::Error) -> TranscriberError {
    TranscriberError::new(FaultKind::Transient, "there is no memory for the recording's media").with_source(error)
}

/// The stream the media comes from failed.
pub(super) fn media_broke_off(error: io::Error) -> TranscriberError {
    TranscriberError::new(FaultKind::Transient, "the recording's media could not be read to its end").with_source(error)
}
