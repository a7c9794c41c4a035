//! A memory control group, v1 or v2, for one command line of flint.

use crate::program::{ended, skipped};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longer than anything that runs here.
const PATIENCE: Duration = Duration::from_secs(300);

/// Names of the files of one version.
struct Version {
    limit: &'static str,
    /// What memory and swap together (v1) or swap alone (v2) may take.
    swap: &'static str,
    peak: &'static str,
    kills: &'static str,
}

const V1: Version = Version {
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
    kills: "memory.oom_control",
};
const V2: Version = Version {
    limit: "memory.max",
    swap: "memory.swap.max",
    peak: "memory.peak",
    kills: "memory.events",
};

/// What a command did in its group.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    /// For messages of tests that fail.
    #[expect(dead_code, reason = "shown by Debug")]
    pub(super) stderr: String,
    /// Most bytes that the group held, page cache included; 0 where the kernel does not keep it.
    pub(super) peak: u64,
    /// Processes that were killed because of the limit.
    pub(super) kills: u64,
}

/// Runs flint where it, its page cache and what the kernel holds for it may take `limit` bytes, without swap.
/// `None`, said aloud, where that cannot be had.
pub(super) fn run(limit: u64, arguments: &[&str]) -> Option<Outcome> {
    let group = Group::make(limit)?;
    let child = Command::new("sh")
        .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
        .arg(group.directory.join("cgroup.procs"))
        .arg(env!("CARGO_BIN_EXE_flint"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (status, _, stdout, stderr) = ended(child, PATIENCE);
    let (peak, kills) = (group.number(group.version.peak, ""), group.kills());
    Some(Outcome { status, stdout, stderr, peak, kills })
}

struct Group {
    directory: PathBuf,
    version: &'static Version,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Group {
    fn make(limit: u64) -> Option<Group> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let of = |controllers: &str| {
            let mut lines = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            let line = lines.find(|(names, _)| names.split(',').any(|name| name == controllers))?;
            Some(line.1.trim_start_matches('/').to_owned())
        };
        let places = [
            (Path::new("/sys/fs/cgroup/memory"), of("memory"), &V1),
            (Path::new("/sys/fs/cgroup"), of(""), &V2),
        ];
        let name =
            format!("flint-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        for (mount, own, version) in places {
            let Some(own) = own else { continue };
            // The group of this process, then that above it, up to the mount.
            for parent in mount.join(own).ancestors().take_while(|path| path.starts_with(mount)) {
                // v2 hands memory down only where no process lives in the parent itself.
                let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory");
                let group = Group { directory: parent.join(&name), version };
                let made = fs::create_dir(&group.directory);
                if made.is_ok() && group.set(limit) {
                    return Some(group);
                }
            }
        }
        skipped("no memory control group can be made here");
        None
    }

    fn set(&self, limit: u64) -> bool {
        let file = |name: &str| self.directory.join(name);
        let no_swap = if std::ptr::eq(self.version, &V1) { limit } else { 0 };
        if fs::write(file(self.version.limit), limit.to_string()).is_err() {
            return false;
        }
        // A kernel without swap in groups has no such file.
        !file(self.version.swap).exists()
            || fs::write(file(self.version.swap), no_swap.to_string()).is_ok()
    }

    fn kills(&self) -> u64 {
        self.number(self.version.kills, "oom_kill ")
    }

    /// The number after `key` in a file.
    fn number(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
