//! What may break the memory limit although the plan keeps to it: swap, and a budget above what there is.

use super::limits::{available_under, may_swap_under};
use super::process_memory;
use std::path::Path;

/// Sentences for the user about a process that may come to take `whole` bytes.
pub(crate) fn warnings(whole: u64) -> Vec<String> {
    warnings_under(Path::new("/"), whole, process_memory().resident)
}

fn warnings_under(root: &Path, whole: u64, resident: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(available) = available_under(root, resident).filter(|found| found.bytes < whole) {
        warnings.push(format!(
            "the memory budget lets this process grow to {whole} bytes, but there are {} ({}): the system may end \
             it; give --memory auto or less",
            available.bytes, available.bound
        ));
    }
    if may_swap_under(root) {
        warnings.push(
            "swap is on, so the system may move memory of this process to disk and slow it down: switch it off \
             (swapoff -a), or forbid it to the control group (memory.swap.max = 0)"
                .to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::limits::tests::machine;
    use super::*;

    const ROOMY: &str = "MemAvailable: 1000 kB\nSwapTotal: 0 kB\n";
    const SWAPPING: &str = "MemAvailable: 1000 kB\nSwapTotal: 500 kB\n";

    #[test]
    fn a_budget_above_what_there_is_is_said_with_both_numbers() {
        let root = machine(&[("proc/meminfo", ROOMY)]);
        assert!(warnings_under(root.path(), 1_024_000, 0).is_empty());
        let found = warnings_under(root.path(), 1_024_001, 0).join("");
        assert!(found.contains("1024001") && found.contains("1024000"), "{found}");
        // What the process holds already is its own.
        assert!(warnings_under(root.path(), 1_024_001, 1).is_empty());
        let group = [("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "5000\n")];
        let root = machine(&[&[("proc/meminfo", ROOMY)], &group[..]].concat());
        let found = warnings_under(root.path(), 5001, 0).join("");
        assert!(found.contains("control group"), "{found}");
    }

    #[test]
    fn swap_is_said_unless_a_group_forbids_it() {
        let root = machine(&[("proc/meminfo", SWAPPING)]);
        assert!(warnings_under(root.path(), 0, 0).join("").contains("swap is on"));
        let forbidden: [&[(&str, &str)]; 2] = [
            &[("proc/self/cgroup", "0::/a/b\n"), ("sys/fs/cgroup/a/memory.swap.max", "0\n")],
            &[
                ("proc/self/cgroup", "4:memory:/a\n"),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9000000\n"),
                ("sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes", "9000000\n"),
            ],
        ];
        for group in forbidden {
            let root = machine(&[&[("proc/meminfo", SWAPPING)], group].concat());
            assert!(warnings_under(root.path(), 0, 0).is_empty(), "{group:?}");
        }
    }
}
