//! What the numbers were measured on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::spread::percentile_ms;

const SYNCS: usize = 200;
/// About what one commit of the queue appends to its log.
const SYNC_BYTES: usize = 4096;

/// The commit, the machine, and the time `folder`'s disk takes to make a small append durable.
pub(crate) fn describe(folder: &Path) -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let model = proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = proc_field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let memory_gib = memory.trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / (1024.0 * 1024.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(format!(
        "callvault {}, commit {}\n{cores} cores ({model}), {memory_gib:.1} GiB of memory, Linux {}\n{}\nload before: {}",
        env!("CARGO_PKG_VERSION"),
        commit(),
        kernel.trim(),
        fsync(folder)?,
        load.split_whitespace().next().unwrap_or("unknown"),
    ))
}

/// The first `name : value` of a file under /proc.
pub(crate) fn proc_field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let is_changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    if is_changed { format!("{commit} with changes") } else { commit }
}

fn fsync(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0x5A; SYNC_BYTES])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    fs::remove_file(path)?;
    took.sort();
    let (half, most) = (percentile_ms(&took, 0.5), percentile_ms(&took, 0.99));
    Ok(format!("disk: appending 4 KiB and syncing takes {half:.2} ms (median of {SYNCS}), {most:.2} ms (p99)"))
}
