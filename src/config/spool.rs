//! Where ingest keeps callbacks while the queue is away.

use std::path::PathBuf;

use super::Result;
use crate::settings::{SettingsError, Values};

#[derive(Clone)]
pub(crate) struct SpoolConfig {
    pub(crate) folder: PathBuf,
    pub(crate) max_callbacks: u64,
}

pub(super) fn read(values: &Values) -> Result<Option<SpoolConfig>> {
    let max_callbacks = values.number("ingest_spool_max_callbacks", 1, 100_000_000)?;
    let key = "ingest_spool_dir";
    let Some(folder) = values.path(key) else { return Ok(None) };
    if values.text("queue_url").is_some_and(|url| url.starts_with("sqlite:")) {
        let problem = "is set, and QUEUE_URL is a file of this machine already: a spool is for a queue on a server";
        return Err(SettingsError::new(key, problem));
    }
    Ok(Some(SpoolConfig { folder, max_callbacks }))
}
