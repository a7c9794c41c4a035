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

/// Page cache that reading a bundle's tables and texts may leave in a group before the kernel takes it back,
/// and memory of the kernel for this process.
const GROUP_MARGIN: u64 = 8 << 20;

/// Finds the tightest of: nine tenths of the available memory, and what each control group leaves to this
/// process, which holds `resident` bytes already.
///
/// `None` where the system has no `/proc/meminfo`.
pub fn allowance(resident: u64) -> Option<Allowance> {
    allowance_under(Path::new("/"), resident)
}

/// The same, with the files of a system below `root` (tests).
pub(crate) fn allowance_under(root: &Path, resident: u64) -> Option<Allowance> {
    tightest(root, resident, RESERVE_DIVISOR, GROUP_MARGIN)
}

/// All that there is for this process, with nothing left to the rest of the machine.
pub(super) fn available_under(root: &Path, resident: u64) -> Option<Allowance> {
    tightest(root, resident, u64::MAX, 0)
}

/// Leaves one part in `reserve` of the machine and `margin` bytes of each group alone.
fn tightest(root: &Path, resident: u64, reserve: u64, margin: u64) -> Option<Allowance> {
    let available = meminfo(root, "MemAvailable")?;
    let mut tightest = Allowance {
        // What this process holds is no longer counted as available.
        bytes: available - available / reserve + resident,
        bound: "available memory".to_owned(),
    };
    for group in groups(root) {
        let left = group.left_to(resident, margin);
        if let Some(bytes) = left.filter(|&bytes| bytes < tightest.bytes) {
            let bound = format!("memory limit of control group {}", group.path.display());
            tightest = Allowance { bytes, bound };
        }
    }
    Some(tightest)
}

/// Whether the system may move memory of this process to disk: there is swap, and no control group forbids it.
pub(super) fn may_swap_under(root: &Path) -> bool {
    let swap = meminfo(root, "SwapTotal").unwrap_or(0);
    swap > 0 && !groups(root).iter().any(Group::forbids_swap)
}

fn meminfo(root: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// No limit of v1 is as high; what it writes for none is above.
const UNLIMITED: u64 = 1 << 62;

/// The files of one kind of control group.
#[derive(Clone, Copy)]
struct Kind {
    limit: &'static str,
    usage: &'static str,
    /// The line of `memory.stat` with the page cache that the kernel takes back first.
    cache: &'static str,
    swap: &'static str,
    swap_counts_memory: bool,
}

const V1: Kind = Kind {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: "total_inactive_file",
    swap: "memory.memsw.limit_in_bytes",
    swap_counts_memory: true,
};
const V2: Kind = Kind {
    limit: "memory.max",
    usage: "memory.current",
    cache: "inactive_file",
    swap: "memory.swap.max",
    swap_counts_memory: false,
};

/// One control group directory and its kind.
struct Group {
    path: PathBuf,
    kind: Kind,
}

impl Group {
    /// What the limit leaves to this process, whose `resident` bytes are part of the group's usage. `None`
    /// where there is no limit: v1 writes a huge number then, and v2 `max`.
    fn left_to(&self, resident: u64, margin: u64) -> Option<u64> {
        let limit = self.number(self.kind.limit)?.saturating_sub(margin);
        let used = self.number(self.kind.usage).unwrap_or(0).saturating_sub(self.cache());
        Some(limit.min(limit.saturating_sub(used).saturating_add(resident)))
    }

    /// v1 limits memory and swap together, v2 swap alone.
    fn forbids_swap(&self) -> bool {
        let Some(swap) = self.number(self.kind.swap) else { return false };
        let memory = match self.kind.swap_counts_memory {
            true => self.number(self.kind.limit).filter(|&limit| limit < UNLIMITED),
            false => Some(0),
        };
        Some(swap) == memory
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok()
    }

    fn cache(&self) -> u64 {
        let text = fs::read_to_string(self.path.join("memory.stat")).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(name, _)| *name == self.kind.cache);
        found.and_then(|(_, bytes)| bytes.trim().parse().ok()).unwrap_or(0)
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
                ancestors(&root.join(mount), path, V2, &mut groups);
            }
        } else if controllers.split(',').any(|name| name == "memory") {
            let mount = root.join("sys/fs/cgroup/memory");
            ancestors(&mount, path, V1, &mut groups);
        }
    }
    groups
}

/// Inside a container the path of the group may lie outside the mount: the mount itself is then the
/// group, and it is always looked at.
fn ancestors(mount: &Path, path: &str, kind: Kind, groups: &mut Vec<Group>) {
    let mut directory = mount.to_path_buf();
    groups.push(Group { path: directory.clone(), kind });
    for part in path.split('/').filter(|part| !part.is_empty() && *part != "..") {
        directory.push(part);
        groups.push(Group { path: directory.clone(), kind });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A directory with the files in which a system says what memory there is.
    pub(in super::super) fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal: 200000 kB\nMemAvailable:    1000 kB\n");

    #[test]
    fn without_limits_a_tenth_is_left_to_the_machine() {
        let root = machine(&[MEMINFO]);
        assert_eq!(allowance_under(root.path(), 0).unwrap().bytes, 1_024_000 - 102_400);
        assert_eq!(allowance_under(root.path(), 5).unwrap().bytes, 1_024_000 - 102_400 + 5);
    }

    const LARGE: (&str, &str) = ("proc/meminfo", "MemAvailable:    10000000 kB\n");
    const LIMIT: u64 = 100 << 20;

    #[test]
    fn an_ancestor_with_a_tighter_limit_counts_in_v2() {
        let root = machine(&[
            LARGE,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", &LIMIT.to_string()),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ]);
        let found = allowance_under(root.path(), 0).unwrap();
        assert_eq!(found.bytes, LIMIT - GROUP_MARGIN);
        assert!(found.bound.ends_with("/a"), "{}", found.bound);
    }

    #[test]
    fn every_ancestor_counts_in_both_versions_however_deep_the_group_is() {
        let paths = [
            ("4:memory:/a/b/c", "sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("0::/a/b/c", "sys/fs/cgroup", "memory.max"),
            // v2 beside v1.
            ("0::/a/b/c", "sys/fs/cgroup/unified", "memory.max"),
        ];
        for (line, mount, file) in paths {
            for tight in ["", "/a", "/a/b", "/a/b/c"] {
                let limits = ["", "/a", "/a/b", "/a/b/c"].map(|group| {
                    let limit = if group == tight { LIMIT } else { 2 * LIMIT };
                    (format!("{mount}{group}/{file}"), limit.to_string())
                });
                let mut files = vec![LARGE, ("proc/self/cgroup", line)];
                files.extend(limits.iter().map(|(path, text)| (path.as_str(), text.as_str())));
                let root = machine(&files);
                let found = allowance_under(root.path(), 0).unwrap();
                assert_eq!(found.bytes, LIMIT - GROUP_MARGIN, "{mount}{tight}");
                assert!(found.bound.ends_with(&format!("{mount}{tight}")), "{}", found.bound);
            }
        }
    }

    #[test]
    fn v1_limits_count_and_its_huge_number_does_not() {
        let root = machine(&[
            LARGE,
            ("proc/self/cgroup", "9:memory:/job\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", &LIMIT.to_string()),
        ]);
        assert_eq!(allowance_under(root.path(), 0).unwrap().bytes, LIMIT - GROUP_MARGIN);
    }

    #[test]
    fn what_others_in_the_group_use_is_not_ours_but_their_page_cache_can_be() {
        let root = machine(&[
            LARGE,
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", &LIMIT.to_string()),
            ("sys/fs/cgroup/a/memory.current", "40000000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 30000000\ninactive_file 9000000\n"),
        ]);
        let (ours, others) = (1_000_000, 40_000_000 - 9_000_000 - 1_000_000);
        let found = allowance_under(root.path(), ours).unwrap();
        assert_eq!(found.bytes, LIMIT - GROUP_MARGIN - others);
        // Never more than the limit, whatever is resident.
        let found = allowance_under(root.path(), 1 << 40).unwrap();
        assert_eq!(found.bytes, LIMIT - GROUP_MARGIN);
    }
}
