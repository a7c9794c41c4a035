//! Memory that the system is to back before it is read into.

use flint_iobuf::PAGE;
use flint_kernels::Compute;

/// Bytes that a thread touches at a time: a few of the system's huge pages.
const TOUCHED: usize = 4 << 20;

/// Makes the system back the memory, on all threads. Else the one thread that reads would do it, and zeroing pages took
/// five sixths of its time: 4 GB were loaded at half of what the disk gives.
pub(crate) fn touch(compute: &Compute, memory: &mut [u8]) {
    compute.share(memory.len(), memory.chunks_mut(TOUCHED), |some| {
        some.iter_mut().step_by(PAGE).for_each(|byte| *byte = 0);
    });
}
