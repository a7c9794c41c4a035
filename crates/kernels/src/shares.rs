//! How the rows of a matrix are shared out among threads.

use crate::Compute;
use std::ops::RangeInclusive;

/// The most bytes of weights that a thread takes at a time, and the least: few enough that threads
/// end together, many enough that taking is free (one core reads the least in about 3 us).
const SHARE_BYTES: RangeInclusive<usize> = (32 << 10)..=(256 << 10);

/// Rows that a thread takes at a time are a multiple of this, so that no tile of rows is cut.
const SHARE_ROWS: usize = 12;

/// How many rows a thread takes at a time, of `rows` with `bytes` together, where `all` bytes are shared out.
pub(crate) fn rows_per_share(c: &Compute, rows: usize, bytes: usize, all: usize) -> usize {
    let row_bytes = bytes.checked_div(rows).unwrap_or(0).max(1);
    let share = (all / (8 * c.threads())).clamp(*SHARE_BYTES.start(), *SHARE_BYTES.end());
    (share / row_bytes).max(1).next_multiple_of(SHARE_ROWS)
}
