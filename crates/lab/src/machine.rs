//! What results were measured on: they mean nothing without it.

use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// When and of what something was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Circumstances {
    date: String,
    commit: String,
    machine: String,
    /// The file system and device of the bundle.
    device: String,
}

impl Circumstances {
    /// Those of now, for a bundle at `path`: to be asked for before measuring, for a commit may follow.
    pub(crate) fn now(path: &Path) -> Circumstances {
        let (date, commit) = (said("date", &["+%Y-%m-%d"]), commit());
        Circumstances { date, commit, machine: machine(), device: device(path) }
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Circumstances { date, commit, machine, device } = self;
        write!(f, "{machine}, {device}, commit {commit}, {date}")
    }
}

/// Processor, cores, memory and kernel of this machine, as a sentence.
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

/// The file system and the device that `path` lies on, as a sentence.
fn device(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = fs::canonicalize(path).ok().and_then(|path| device_in(&mounts, &path));
    found.unwrap_or_else(|| "an unknown device".to_owned())
}

/// The same of a list of mounts, of which the innermost counts: of two at one place the last, which hides the other.
fn device_in(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let place = place.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&place).then_some(())?;
        let mut words = kind.split(' ');
        Some((place.len(), format!("{} on {}", words.next()?, words.next()?)))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, words)| words)
}

/// The commit that is checked out, `-dirty` where files differ from it; empty outside a checkout.
pub(crate) fn commit() -> String {
    said("git", &["describe", "--always", "--dirty", "--exclude=*"])
}

fn said(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output();
    said.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_innermost_mount_that_holds_it() {
        let mounts = "21 1 252:0 / / rw - ext4 /dev/vda rw\n\
                      40 21 0:35 /data /srv/my\\040data rw,noatime shared:1 - btrfs /dev/sdb rw\n\
                      41 40 0:36 / /srv/my\\040data/deep rw - overlay overlay rw\n\
                      42 21 0:37 / /mnt rw - ext4 /dev/sdc rw\n\
                      43 42 0:38 / /mnt rw - xfs /dev/sdd rw";
        let of = |path: &str| device_in(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/home/bundle.flint"), "ext4 on /dev/vda");
        assert_eq!(of("/srv/my data/bundle.flint"), "btrfs on /dev/sdb");
        assert_eq!(of("/srv/my data/deep/bundle.flint"), "overlay on overlay");
        assert_eq!(of("/srv/my data/deeper"), "btrfs on /dev/sdb");
        assert_eq!(of("/mnt/bundle.flint"), "xfs on /dev/sdd", "what is mounted over another");
        assert_eq!(device_in("no mount", Path::new("/")), None);
        assert_eq!(device(Path::new("/no such file")), "an unknown device");
    }

    #[test]
    fn circumstances_are_complete() {
        let now = Circumstances::now(Path::new("/"));
        assert_eq!(now.date.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2]);
        assert!(now.machine.contains("GiB, Linux ") && !now.machine.contains("unknown"), "{now}");
    }
}
