//! What may be used: memory that is available now, and the limit of every control group (v1 or v2)
//! from this process up to the root.

use std::fs;
use std::path::{Path, PathBuf};

/// The tightest bound on this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes this process may use in all.
    pub bytes: u64,
    /// What sets the bound, for the report.
    pub bound: String,
}

/// Share of the available memory that `auto` leaves to the rest of the machine.
const RESERVE_DIVISOR: u64 = 10;

/// Finds the tightest of: nine tenths of the available memory, and what each control group has left.
///
/// `None` where the system has no `/proc/meminfo`.
pub fn allowance() -> Option<Allowance> {
    allowance_under(Path::new("/"))
}

/// The same, with the files of a system below `root` (tests).
pub(crate) fn allowance_under(root: &Path) -> Option<Allowance> {
    let available = meminfo(root, "MemAvailable")?;
    let mut tightest = Allowance {
        bytes: available - available / RESERVE_DIVISOR,
        bound: "available memory".to_owned(),
    };
    for group in groups(root) {
        if let Some(bytes) = group.limit().filter(|&bytes| bytes < tightest.bytes) {
            let bound = format!("memory limit of control group {}", group.path.display());
            tightest = Allowance { bytes, bound };
        }
    }
    Some(tightest)
}

fn meminfo(root: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// One control group directory and its kind.
struct Group {
    path: PathBuf,
    limit_file: &'static str,
}

impl Group {
    /// The limit in bytes; v1 writes a huge number and v2 `max` where there is none.
    fn limit(&self) -> Option<u64> {
        let text = fs::read_to_string(self.path.join(self.limit_file)).ok()?;
        text.trim().parse().ok()
    }
}

/// The memory control groups of this process, each with all its ancestors.
fn groups(root: &Path) -> Vec<Group> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            // v2 alone is mounted at the top, beside v1 one level lower.
            for mount in ["sys/fs/cgroup", "sys/fs/cgroup/unified"] {
                ancestors(&root.join(mount), path, "memory.max", &mut groups);
            }
        } else if controllers.split(',').any(|name| name == "memory") {
            let mount = root.join("sys/fs/cgroup/memory");
            ancestors(&mount, path, "memory.limit_in_bytes", &mut groups);
        }
    }
    groups
}

/// Inside a container the path of the group may lie outside the mount: the mount itself is then the
/// group, and it is always looked at.
fn ancestors(mount: &Path, path: &str, limit_file: &'static str, groups: &mut Vec<Group>) {
    let mut directory = mount.to_path_buf();
    groups.push(Group { path: directory.clone(), limit_file });
    for part in path.split('/').filter(|part| !part.is_empty() && *part != "..") {
        directory.push(part);
        groups.push(Group { path: directory.clone(), limit_file });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n");

    #[test]
    fn without_limits_a_tenth_is_left_to_the_machine() {
        let root = machine(&[MEMINFO]);
        assert_eq!(allowance_under(root.path()).unwrap().bytes, 1_024_000 - 102_400);
    }

    #[test]
    fn an_ancestor_with_a_tighter_limit_counts_in_v2() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "4096\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ]);
        let found = allowance_under(root.path()).unwrap();
        assert_eq!(found.bytes, 4096);
        assert!(found.bound.ends_with("/a"), "{}", found.bound);
    }

    #[test]
    fn v1_limits_count_and_its_huge_number_does_not() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "9:memory:/job\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "8192\n"),
        ]);
        assert_eq!(allowance_under(root.path()).unwrap().bytes, 8192);
    }
}
