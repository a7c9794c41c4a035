//! Weighted sums of rows: each column takes its rows one after the other, by fused multiply-add.

use crate::element::{Element, padded};
use crate::lanes::{LANES, Lanes};

/// Rows added to a column per visit of it: as many streams from memory, and a fraction of the loads
/// and stores of the column.
const ROWS: usize = 4;

/// How far ahead of its use a cache line is asked for, in chunks of sixteen columns.
const AHEAD: usize = 16;

/// `out += weight * row` for rows `0..count`, in that order in every column.
///
/// `row` gives the weight and the bytes of a row; all have `out.len()` numbers.
#[inline(always)]
pub(crate) fn add_each<'a, L: Lanes, E: Element>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> (f32, &'a [u8]),
    out: &mut [f32],
) {
    let whole = count - count % ROWS;
    let four = |first: usize| std::array::from_fn(|i| row(first + i));
    for first in (0..whole).step_by(ROWS) {
        // The last group has no next one; asking for its own lines again costs nothing.
        let next = if first + ROWS < whole { first + ROWS } else { first };
        add::<L, E, ROWS>(lanes, four(first), four(next), out);
    }
    for index in whole..count {
        add::<L, E, 1>(lanes, [row(index)], [row(index)], out);
    }
}

/// Adds `N` rows to `out`, one after the other in each column; the starts of those in `next` are asked
/// for on the way.
#[inline(always)]
fn add<L: Lanes, E: Element, const N: usize>(
    lanes: L,
    rows: [(f32, &[u8]); N],
    next: [(f32, &[u8]); N],
    out: &mut [f32],
) {
    let (out, out_rest) = out.as_chunks_mut::<LANES>();
    let mut weights = [lanes.splat(0.0); N];
    let mut chunks = [[].as_slice(); N];
    for n in 0..N {
        weights[n] = lanes.splat(rows[n].0);
        chunks[n] = &E::whole(rows[n].1)[..out.len()];
    }
    // Lines of these rows while there are any ahead, then the first lines of the next rows.
    let turn = out.len().saturating_sub(AHEAD);
    let here = rows.map(|(_, row)| row.as_ptr().wrapping_add(AHEAD * E::CHUNK_BYTES));
    let there = next.map(|(_, row)| row.as_ptr().wrapping_sub(turn * E::CHUNK_BYTES));
    steps::<L, E, N>(lanes, 0..turn, weights, chunks, here, out);
    steps::<L, E, N>(lanes, turn..out.len(), weights, chunks, there, out);
    if !out_rest.is_empty() {
        let mut sum = lanes.load(&padded(out_rest));
        for n in 0..N {
            sum = lanes.mul_add(weights[n], E::load(lanes, &E::tail(rows[n].1)), sum);
        }
        let mut tail = [0.0; LANES];
        lanes.store(sum, &mut tail);
        out_rest.copy_from_slice(&tail[..out_rest.len()]);
    }
}

/// Adds the chunks in `range`, asking for the same chunks from `ahead`.
#[inline(always)]
fn steps<L: Lanes, E: Element, const N: usize>(
    lanes: L,
    range: std::ops::Range<usize>,
    weights: [L::V; N],
    chunks: [&[E::Chunk]; N],
    ahead: [*const u8; N],
    out: &mut [[f32; LANES]],
) {
    for k in range {
        let mut sum = lanes.load(&out[k]);
        for n in 0..N {
            lanes.prefetch(ahead[n].wrapping_add(k * E::CHUNK_BYTES));
            sum = lanes.mul_add(weights[n], E::load(lanes, &chunks[n][k]), sum);
        }
        lanes.store(sum, &mut out[k]);
    }
}
