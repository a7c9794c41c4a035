//! What this process uses, by the kernel's own count.

use std::fs;

/// Resident memory of this process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Now.
    pub resident: u64,
    /// At most so far.
    pub peak: u64,
}

/// Reads `/proc/self/status`; zeros where there is none.
pub fn process_memory() -> ProcessMemory {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    ProcessMemory {
        resident: field("VmRSS:").unwrap_or(0) * 1024,
        peak: field("VmHWM:").unwrap_or(0) * 1024,
    }
}

/// Bytes that this process has caused to be read from storage; `None` where the kernel does not count.
pub fn storage_bytes_read() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("read_bytes:"))?.trim().parse().ok()
}
