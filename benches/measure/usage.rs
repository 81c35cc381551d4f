//! What a process has used, as Linux counts it.

use std::fs;

use anyhow::Context;

use super::machine::proc_field;

/// Linux counts processor time in hundredths of a second, whatever the kernel's own tick (`man 5 proc`).
const TICKS_PER_SECOND: f64 = 100.0;
/// Fields of `/proc/PID/stat`, counted from the one after the name.
const PARENT: usize = 1;
const USER_AND_KERNEL: std::ops::Range<usize> = 11..13;
/// The same, and of children that ended.
const WITH_ENDED_CHILDREN: std::ops::Range<usize> = 11..15;

/// Resident memory, in MiB: the most since the start, and now.
pub(crate) struct Resident {
    pub(crate) peak: f64,
    pub(crate) now: f64,
}

/// Fails where the process has ended.
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<Resident> {
    let field = |name| -> anyhow::Result<f64> {
        let value = proc_field(&format!("/proc/{pid}/status"), name);
        let value = value.with_context(|| format!("process {pid} has ended"))?;
        Ok(value.trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    };
    Ok(Resident { peak: field("VmHWM")?, now: field("VmRSS")? })
}

/// Processor seconds used so far, in user and kernel mode, by all threads of a process. Fails where it has ended.
pub(crate) fn cpu_secs(pid: u32) -> anyhow::Result<f64> {
    seconds(&stat(pid)?, USER_AND_KERNEL)
}

/// The same of a process and of all that it started.
pub(crate) fn cpu_secs_of_tree(pid: u32) -> anyhow::Result<f64> {
    let mut sum = seconds(&stat(pid)?, WITH_ENDED_CHILDREN)?;
    for child in children(pid)? {
        // One that ended meanwhile counts as its parent's the next time.
        sum += cpu_secs_of_tree(child).unwrap_or(0.0);
    }
    Ok(sum)
}

fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let processes = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| stat(*pid).is_ok_and(|stat| stat[PARENT] == parent.to_string());
    Ok(processes.filter(is_child).collect())
}

fn seconds(stat: &[String], fields: std::ops::Range<usize>) -> anyhow::Result<f64> {
    let ticks = stat[fields].iter().map(|ticks| ticks.parse::<f64>());
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before it may hold spaces, and ends at the last bracket.
    let after_name = stat.rsplit_once(')').context("unreadable /proc/PID/stat")?.1;
    Ok(after_name.split_whitespace().map(str::to_owned).collect())
}
