//! Dot products of weight rows with one vector, four rows at a time.
//!
//! Four streams keep more cache lines in flight than one, and the chains of additions (one per row, by
//! contract) hide each other's latency. The four rows are far apart, each followed by the next one of its stream: of a
//! matrix in f16 one core reads 23 GB/s so on the development machine, and 15 of four neighbours, which the CPU's own
//! prefetcher does not follow.

use crate::element::{Element, padded};
use crate::lanes::{LANES, Lanes};

/// Rows read at once.
pub(crate) const ROWS: usize = 4;

/// How far ahead of its use a cache line is asked for, in bytes of each row.
const AHEAD: usize = 1024;

/// The dot products of rows `0..count` with `x`, each handed to `put` with its row's index.
///
/// `row` gives the bytes of a row; all have `x.len()` numbers.
#[inline(always)]
pub(crate) fn dot_each<'a, L: Lanes, E: Element>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> &'a [u8],
    x: &[f32],
    mut put: impl FnMut(usize, f32),
) {
    let stream = count / ROWS;
    let four = |index: usize| std::array::from_fn(|i| row(i * stream + index));
    for index in 0..stream {
        // The last group has no next one; asking for its own lines again costs nothing.
        let next = if index + 1 < stream { index + 1 } else { index };
        let dots = dot::<L, E, ROWS>(lanes, four(index), four(next), x);
        for (i, dot) in dots.into_iter().enumerate() {
            put(i * stream + index, dot);
        }
    }
    for index in ROWS * stream..count {
        let [dot] = dot::<L, E, 1>(lanes, [row(index)], [row(index)], x);
        put(index, dot);
    }
}

/// The dot products of `R` rows with `x`; the starts of the rows in `next` are asked for on the way.
#[inline(always)]
pub(crate) fn dot<L: Lanes, E: Element, const R: usize>(
    lanes: L,
    rows: [&[u8]; R],
    next: [&[u8]; R],
    x: &[f32],
) -> [f32; R] {
    let (x, x_rest) = x.as_chunks::<LANES>();
    let mut chunks = [[].as_slice(); R];
    for r in 0..R {
        chunks[r] = &E::whole(rows[r])[..x.len()];
    }
    let mut sums = [lanes.splat(0.0); R];
    // Lines of these rows while there are any ahead, then the first lines of the next rows.
    let turn = x.len().saturating_sub(AHEAD / E::CHUNK_BYTES);
    let here = rows.map(|row| row.as_ptr().wrapping_add(AHEAD));
    let there = next.map(|row| row.as_ptr().wrapping_sub(turn * E::CHUNK_BYTES));
    steps::<L, E, R>(lanes, 0..turn, chunks, here, x, &mut sums);
    steps::<L, E, R>(lanes, turn..x.len(), chunks, there, x, &mut sums);
    if !x_rest.is_empty() {
        let x = lanes.load(&padded(x_rest));
        for r in 0..R {
            sums[r] = lanes.mul_add(E::load(lanes, &E::tail(rows[r])), x, sums[r]);
        }
    }
    // A loop and not `map`, here and wherever there are lanes: the compiler may leave `map` a function of
    // its own, without the instructions.
    let mut dots = [0.0; R];
    for r in 0..R {
        dots[r] = lanes.sum(sums[r]);
    }
    dots
}

/// Adds the products of the chunks in `range` to the lanes, asking for the same chunks from `ahead`.
#[inline(always)]
fn steps<L: Lanes, E: Element, const R: usize>(
    lanes: L,
    range: std::ops::Range<usize>,
    chunks: [&[E::Chunk]; R],
    ahead: [*const u8; R],
    x: &[[f32; LANES]],
    sums: &mut [L::V; R],
) {
    for k in range {
        let x = lanes.load(&x[k]);
        for r in 0..R {
            lanes.prefetch(ahead[r].wrapping_add(k * E::CHUNK_BYTES));
            sums[r] = lanes.mul_add(E::load(lanes, &chunks[r][k]), x, sums[r]);
        }
    }
}
