//! Installs the Node baseline under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::process::done;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline");
const LOCK: &str = "package-lock.json";

/// The folder with the programs and their libraries. Libraries that are there as the lock file has them stay.
pub(crate) fn installed(target: &Path) -> anyhow::Result<PathBuf> {
    let folder = target.join("baseline");
    fs::create_dir_all(&folder)?;
    let lock = fs::read(Path::new(SOURCE).join(LOCK))?;
    // Written last: it tells that the installation is whole.
    let witness = folder.join("installed-lock.json");
    let is_installed = fs::read(&witness).is_ok_and(|installed| installed == lock);
    for file in fs::read_dir(SOURCE)? {
        let file = file?;
        fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    if !is_installed {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-progress", "--loglevel=error"]).current_dir(&folder);
        done(&mut npm).context("npm ci: Node and npm are needed, run make tools")?;
        fs::write(witness, lock)?;
    }
    Ok(folder)
}
