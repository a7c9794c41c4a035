//! What a reader says about itself: the path it took, and what it has done so far.

use std::time::Duration;

/// Which path reads take to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathReport {
    /// `uring`, `threads` or `simulated`.
    pub backend: &'static str,
    /// Whether reads go past the page cache.
    pub direct: bool,
    /// Reads start and end on multiples of this many bytes.
    pub alignment: u32,
    /// Whether records on 512-byte sectors must be widened to reach that alignment.
    pub widened: bool,
    /// Why a better path was not taken, and what to change; empty on the best one.
    pub reasons: Vec<String>,
}

/// What a reader has done since it was opened. Subtract two snapshots for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Reads that the device has finished.
    pub device_reads: u64,
    /// Bytes that those asked of the device, widening and gaps included.
    pub bytes_read: u64,
    /// Records handed back, failed ones included.
    pub records: u64,
    /// Time in which at least one read was in flight, of any client.
    pub busy: Duration,
    /// Time in which the client waited.
    pub wait: Duration,
}
