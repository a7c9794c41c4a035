//! What results were measured on: they mean nothing without it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Processor, cores, memory and kernel of this machine, in words.
pub(crate) fn machine() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        text.lines().find_map(|line| {
            Some(line.strip_prefix(key)?.trim_start_matches([':', ' ', '\t']).to_owned())
        })
    };
    let cpu =
        value(&file("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kilobytes = value(&file("/proc/meminfo"), "MemTotal");
    let kilobytes = kilobytes.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let memory =
        kilobytes.map_or_else(String::new, |kb| format!("{:.0} GiB, ", kb / f64::from(1 << 20)));
    let slow = if cfg!(debug_assertions) { ", a build for development" } else { "" };
    format!(
        "{cpu}, {cores} cores, {memory}Linux {}{slow}",
        file("/proc/sys/kernel/osrelease").trim()
    )
}

/// The file system and the device that `path` lies on, in words.
pub(crate) fn device(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let device = fs::metadata(path).map_or(0, |found| found.dev());
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounted = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        (place.split(' ').nth(2)? == number).then_some(())?;
        let mut words = kind.split(' ');
        Some(format!("{} on {}", words.next()?, words.next()?))
    };
    mounts.lines().find_map(mounted).unwrap_or_else(|| "an unknown device".to_owned())
}

/// The commit that is checked out, `-dirty` where files differ from it; empty outside a checkout.
pub(crate) fn commit() -> String {
    said("git", &["describe", "--always", "--dirty", "--exclude=*"])
}

/// Today, as 2026-01-31; empty where the system has no `date`.
pub(crate) fn today() -> String {
    said("date", &["+%Y-%m-%d"])
}

fn said(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output();
    said.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_kernel_and_a_directory_lies_on_something() {
        assert!(machine().contains("Linux "), "{}", machine());
        assert!(!device(Path::new("/")).is_empty());
        assert_eq!(device(Path::new("/no such file")), "an unknown device");
        assert_eq!(today().split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2]);
    }
}
