//! Whether the spool's folder would take callbacks.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, ensure};
use ingest::Spool;

use crate::config::SpoolConfig;

/// What a callback takes in the file and its log, with room to spare.
const CALLBACK_BYTES: u64 = 1024;

/// Beside the ingest whose spool it is, too: nothing is claimed.
pub(super) async fn check(spool: SpoolConfig) -> anyhow::Result<String> {
    let tried = async {
        let folder = &spool.folder;
        write(folder).with_context(|| format!("{} cannot be written: see its volume and owner", folder.display()))?;
        let waiting = Spool::look(folder).await?;
        let room = spool.max_callbacks.saturating_sub(waiting);
        let free = free_bytes(folder)?;
        ensure!(
            free / CALLBACK_BYTES >= room,
            "{} has room for {} of the {room} callbacks more that INGEST_SPOOL_MAX_CALLBACKS allows: give it a larger \
             volume, or lower that",
            folder.display(),
            free / CALLBACK_BYTES,
        );
        let most = spool.max_callbacks;
        Ok(format!("{} can be written; {waiting} of {most} callbacks wait in it", folder.display()))
    };
    tried.await.context("INGEST_SPOOL_DIR")
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // Gone again at the end, in whatever way.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&[0; 4096])?;
    file.as_file().sync_all()
}

fn free_bytes(folder: &Path) -> anyhow::Result<u64> {
    let volume = rustix::fs::statvfs(folder)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}
