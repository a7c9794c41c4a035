//! How many threads a run may use.

/// Threads that this process may run at once.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
