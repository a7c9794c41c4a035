//! Which records become one device read: a pure function from sorted extents to runs.

use crate::{FileId, MergePolicy};
use flint_geometry::Extent;
use std::ops::Range;

/// Most destinations of one scattered read; the kernel's `UIO_MAXIOV`.
const MAX_PIECES: usize = 1024;

/// One record as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// Which file.
    pub file: FileId,
    /// The record's bytes, widened to the device's alignment.
    pub extent: Extent,
}

/// Records that are read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which of the sorted records.
    pub records: Range<usize>,
    /// All bytes of the read, gaps included.
    pub extent: Extent,
}

/// Cuts records, sorted by file and offset and already widened, into runs, appended to `runs`.
///
/// Two records share a run only where the device could have stopped between them: widened extents that
/// overlap share a block, and a block can be read into one place only, so each of them is read by
/// itself.
pub fn merge(sorted: &[Want], policy: MergePolicy, runs: &mut Vec<Run>) {
    let mut start = 0;
    while start < sorted.len() {
        let run = longest_run(sorted, start, policy);
        start = run.records.end;
        runs.push(run);
    }
}

fn longest_run(sorted: &[Want], start: usize, policy: MergePolicy) -> Run {
    let mut extent = sorted[start].extent;
    let mut end = start + 1;
    let mut pieces = 1;
    while let Some(next) = sorted.get(end) {
        let Some(gap) = gap_between(sorted[end - 1], *next) else { break };
        let len = next.extent.end() - extent.offset();
        let more = if gap > 0 { 2 } else { 1 };
        if gap > policy.max_gap_bytes
            || len > policy.max_request_bytes
            || pieces + more > MAX_PIECES
        {
            break;
        }
        let Some(longer) = Extent::new(extent.offset(), len) else { break };
        extent = longer;
        pieces += more;
        end += 1;
    }
    Run { records: start..end, extent }
}

/// Bytes between two neighbours; `None` where no single read can serve both.
fn gap_between(left: Want, right: Want) -> Option<u64> {
    if left.file != right.file {
        return None;
    }
    right.extent.offset().checked_sub(left.extent.end())
}
