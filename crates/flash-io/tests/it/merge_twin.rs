//! The slow twin of the plan of device reads: from each start, every length is tried. The fuzz target of the plan
//! uses this file too.

use flint_flash_io::{MergePolicy, Run, Want};
use flint_geometry::Extent;

/// Whether `wants` may be one device read, straight from the rules.
fn allowed(wants: &[Want], policy: MergePolicy) -> bool {
    let pairs = || wants.windows(2).map(|pair| (pair[0], pair[1]));
    let apart = pairs().all(|(a, b)| a.file == b.file && a.extent.end() <= b.extent.offset());
    if wants.len() == 1 || !apart {
        return wants.len() == 1;
    }
    let gaps: Vec<u64> = pairs().map(|(a, b)| b.extent.offset() - a.extent.end()).collect();
    let bytes = wants[wants.len() - 1].extent.end() - wants[0].extent.offset();
    let places = wants.len() + gaps.iter().filter(|&&gap| gap > 0).count();
    gaps.iter().all(|&gap| gap <= policy.max_gap_bytes)
        && bytes <= policy.max_request_bytes
        && places <= 1024
}

/// From each start, the longest run that is allowed, found by trying all.
pub(crate) fn naive(wants: &[Want], policy: MergePolicy) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < wants.len() {
        let end = (start + 1..=wants.len())
            .rev()
            .find(|&end| allowed(&wants[start..end], policy))
            .unwrap();
        let from = wants[start].extent.offset();
        let extent = Extent::new(from, wants[end - 1].extent.end() - from).unwrap();
        runs.push(Run { records: start..end, extent });
        start = end;
    }
    runs
}
