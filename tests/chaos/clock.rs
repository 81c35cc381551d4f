//! The wall clock that a process of ours sees: Debian's libfaketime, which reads from a file how far it is off.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;

/// How long a change may take to be seen, in seconds. A file that is read each time costs more than the processes do.
const SEEN_WITHIN: &str = "1";

/// One process's, and that of whatever is started in its place.
pub(crate) struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// A clock that is right; `file` holds how far it is off.
    pub(crate) fn new(file: PathBuf) -> anyhow::Result<WallClock> {
        let clock = WallClock { library: library()?, file };
        clock.set(0)?;
        Ok(clock)
    }

    /// Minutes ahead of the right time, or behind it where it is less than 0.
    pub(crate) fn set(&self, minutes: i64) -> anyhow::Result<()> {
        // Never half written: it is read at any moment.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{minutes:+}m\n"))?;
        Ok(std::fs::rename(next, &self.file)?)
    }

    /// What makes a process see it. What is told by monotonic time, as timers are, goes on as it should.
    pub(crate) fn environment(&self) -> [(&'static str, OsString); 4] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            ("FAKETIME_CACHE_DURATION", SEEN_WITHIN.into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}

/// Its variant for programs of several threads, in the folder of the machine's architecture.
fn library() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).context("libfaketime is not installed: run make tools")
}
