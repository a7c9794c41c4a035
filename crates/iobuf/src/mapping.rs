//! One anonymous, zeroed, page-aligned mapping; the only place that asks the system for memory.
#![expect(unsafe_code, reason = "memory from mmap: see docs/UNSAFE.md")]

use std::fmt;
use std::io;
use std::ptr::NonNull;

/// Alignment of every mapping, in bytes: enough for direct I/O on every block device in use.
pub const PAGE: usize = 4096;

/// Mappings from this size on ask for huge pages: fewer TLB misses, fewer pages to pin per read.
#[cfg(all(target_os = "linux", not(miri)))]
const HUGE: usize = 2 << 20;

/// The system did not hand out the memory that was asked for.
#[derive(Debug)]
pub struct MapError {
    /// Bytes asked for.
    pub bytes: usize,
    /// What the system said.
    pub cause: io::Error,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot map {} bytes of memory: {}", self.bytes, self.cause)
    }
}

impl std::error::Error for MapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// An anonymous mapping: zeroed by the kernel, so initialised without being touched.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is plain memory owned by this value; who may touch which byte is the business of
// the leases above it, and the pointer itself is never changed.
unsafe impl Send for Mapping {}
// SAFETY: as for Send: a shared Mapping only hands out its address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes`, rounded up to whole pages; at least one page.
    pub(crate) fn new(bytes: usize) -> Result<Mapping, MapError> {
        let fail = |cause| MapError { bytes, cause };
        let rounded = bytes
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or_else(|| fail(io::ErrorKind::OutOfMemory.into()))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), rounded, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(fail(io::Error::last_os_error()));
        }
        let start = NonNull::new(address.cast::<u8>())
            .ok_or_else(|| fail(io::ErrorKind::OutOfMemory.into()))?;
        let mapping = Mapping { start, bytes: rounded };
        mapping.ask_for_huge_pages();
        Ok(mapping)
    }

    /// First byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    fn ask_for_huge_pages(&self) {
        if self.bytes >= HUGE {
            // SAFETY: the range is this mapping; the advice changes no contents. A refusal costs speed
            // alone, so the result is not looked at.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_HUGEPAGE) };
        }
    }

    #[cfg(not(all(target_os = "linux", not(miri))))]
    fn ask_for_huge_pages(&self) {}
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped; every lease holds an Arc of this value, so none
        // is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
