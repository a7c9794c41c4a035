//! How a reader is opened: every tuned number in one place, with its reason.

use std::time::Duration;

/// A device that is silent for so long is not coming back: a disk that spins up takes ten seconds, a network file system
/// that recovers half a minute.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Which way reads take to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// io_uring where the system allows it, otherwise threads; the report says why.
    #[default]
    Auto,
    /// io_uring or an error.
    Uring,
    /// A pool of threads that read with `preadv`.
    Threads,
}

/// When two records become one device read, or one becomes several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergePolicy {
    /// The largest gap, in bytes, that is read and thrown away to save a request. The right number is
    /// what the device reads in the time of one more request: `probe` measures it.
    pub max_gap_bytes: u64,
    /// The largest merged read, in bytes. A single larger record is still read in one request.
    pub max_request_bytes: u64,
    /// A record of at least twice as many bytes is read in parts of this many, at the same time; 0 splits none.
    pub part_bytes: u64,
}

impl MergePolicy {
    /// Every record is a device read of its own.
    pub const NEVER: MergePolicy =
        MergePolicy { max_gap_bytes: 0, max_request_bytes: 0, part_bytes: 0 };
}

impl Default for MergePolicy {
    fn default() -> MergePolicy {
        // Gaps: none until the device was measured. Requests: past 512 KiB throughput no longer grows
        // with size, and a smaller request comes back sooner. Parts: a few in flight fill any device, and each costs a
        // wake-up.
        MergePolicy { max_gap_bytes: 0, max_request_bytes: 512 << 10, part_bytes: 4 << 20 }
    }
}

/// How a [`Reader`](crate::Reader) reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which way reads take.
    pub backend: BackendChoice,
    /// Whether to read past the page cache where the file system can.
    pub direct: bool,
    /// Raises the alignment of reads, in bytes, a power of two: for devices that misreport theirs,
    /// and for tests. Reads are widened to it.
    pub min_alignment: Option<u32>,
    /// Most device reads in flight at once. At least 1.
    pub max_requests: usize,
    /// Most bytes in flight at once. A single larger read still goes, alone.
    pub max_bytes: usize,
    /// Threads of the pool, where it is used; never more than `max_requests`.
    pub threads: usize,
    /// When records become one device read.
    pub merge: MergePolicy,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            backend: BackendChoice::Auto,
            direct: true,
            min_alignment: None,
            // The paper's 32 parallel reads; more gains little and delays a demand read behind speculative ones.
            max_requests: 32,
            // 32 requests of the largest merged size.
            max_bytes: 16 << 20,
            // A blocked thread costs little; past 16 the scheduler's work outgrows the gain.
            threads: 16,
            merge: MergePolicy::default(),
        }
    }
}
