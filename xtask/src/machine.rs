//! What results were measured on: they mean nothing without it.

use std::fs;
use std::process::Command;

/// Processor, cores and kernel of this machine, in words.
pub(crate) fn machine() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = cpu.map_or("unknown CPU", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cpu}, {cores} cores, Linux {}", file("/proc/sys/kernel/osrelease").trim())
}

/// The commit that is checked out, `-dirty` where files differ from it; empty outside a checkout.
pub(crate) fn commit() -> String {
    let described = ["describe", "--always", "--dirty", "--exclude=*"];
    let commit = Command::new("git").args(described).output();
    commit.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}
