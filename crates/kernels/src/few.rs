//! Dot products of weight rows with a few vectors, such as a draft that is verified: each number is widened in a register, on
//! its way from memory, and multiplied with all vectors there.
//!
//! Every (row, vector) pair keeps the sixteen lanes of its dot product, fed in the same order as for one vector alone.

use crate::element::Element;
use crate::lanes::{Lanes, Line};
use crate::tile::PackedInputs;
use std::ops::Range;

/// Most vectors that are multiplied so. More leave registers for two rows at a time only: with twelve that was no faster than
/// widening rows in memory first.
pub(crate) const MOST: usize = 9;

/// How far ahead of its use a cache line is asked for, in bytes of each row.
const AHEAD: usize = 1024;

/// The dot products of rows `0..count` with every one of 2 to [`MOST`] vectors, each handed to `put(row, vector, dot)`.
#[inline(always)]
pub(crate) fn dot_few<'a, L: Lanes, E: Element>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> &'a [u8],
    x: &PackedInputs<'_>,
    put: impl FnMut(usize, usize, f32),
) {
    // As many rows as leave registers for their numbers and a vector's.
    match x.tokens() {
        2 => rows::<L, E, 6, 2>(lanes, count, row, x, put),
        3 => rows::<L, E, 6, 3>(lanes, count, row, x, put),
        4 => rows::<L, E, 4, 4>(lanes, count, row, x, put),
        5 => rows::<L, E, 4, 5>(lanes, count, row, x, put),
        6 => rows::<L, E, 4, 6>(lanes, count, row, x, put),
        7 => rows::<L, E, 3, 7>(lanes, count, row, x, put),
        8 => rows::<L, E, 3, 8>(lanes, count, row, x, put),
        9 => rows::<L, E, 3, 9>(lanes, count, row, x, put),
        tokens => unreachable!("{tokens} vectors"),
    }
}

/// Walks the rows `R` at a time, far apart, each followed by the next one of its stream: see `dot.rs`.
#[inline(always)]
fn rows<'a, L: Lanes, E: Element, const R: usize, const T: usize>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> &'a [u8],
    x: &PackedInputs<'_>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let mut vectors = [[].as_slice(); T];
    for (t, vector) in vectors.iter_mut().enumerate() {
        *vector = x.token(t);
    }
    let stream = count.div_ceil(R);
    // Past the last row the last one is computed again, and its results dropped.
    let some = |index: usize| std::array::from_fn(|r| row((r * stream + index).min(count - 1)));
    for index in 0..stream {
        let next = if index + 1 < stream { index + 1 } else { index };
        let sums = dot::<L, E, R, T>(lanes, some(index), some(next), vectors);
        for (t, sums) in sums.into_iter().enumerate() {
            for (r, sum) in sums.into_iter().enumerate() {
                if r * stream + index < count {
                    put(r * stream + index, t, lanes.sum(sum));
                }
            }
        }
    }
}

/// The lanes of `R` rows times `T` vectors; the starts of the rows in `next` are asked for on the way.
#[inline(always)]
fn dot<L: Lanes, E: Element, const R: usize, const T: usize>(
    lanes: L,
    rows: [&[u8]; R],
    next: [&[u8]; R],
    x: [&[Line]; T],
) -> [[L::V; R]; T] {
    let mut chunks = [[].as_slice(); R];
    let whole = E::whole(rows[0]).len();
    for r in 0..R {
        chunks[r] = &E::whole(rows[r])[..whole];
    }
    let mut sums = [[lanes.splat(0.0); R]; T];
    let turn = whole.saturating_sub(AHEAD / E::CHUNK_BYTES);
    let here = rows.map(|row| row.as_ptr().wrapping_add(AHEAD));
    let there = next.map(|row| row.as_ptr().wrapping_sub(turn * E::CHUNK_BYTES));
    steps::<L, E, R, T>(lanes, 0..turn, chunks, here, x, &mut sums);
    steps::<L, E, R, T>(lanes, turn..whole, chunks, there, x, &mut sums);
    if whole < x[0].len() {
        let mut tails = [lanes.splat(0.0); R];
        for r in 0..R {
            tails[r] = E::load(lanes, &E::tail(rows[r]));
        }
        add(lanes, tails, x, whole, &mut sums);
    }
    sums
}

/// Adds the products of the chunks in `range` to the lanes, asking for the same chunks from `ahead`.
#[inline(always)]
fn steps<L: Lanes, E: Element, const R: usize, const T: usize>(
    lanes: L,
    range: Range<usize>,
    chunks: [&[E::Chunk]; R],
    ahead: [*const u8; R],
    x: [&[Line]; T],
    sums: &mut [[L::V; R]; T],
) {
    for k in range {
        let mut weights = [lanes.splat(0.0); R];
        for r in 0..R {
            lanes.prefetch(ahead[r].wrapping_add(k * E::CHUNK_BYTES));
            weights[r] = E::load(lanes, &chunks[r][k]);
        }
        add(lanes, weights, x, k, sums);
    }
}

/// Adds the products of one chunk of each row with that of each vector.
#[inline(always)]
fn add<L: Lanes, const R: usize, const T: usize>(
    lanes: L,
    weights: [L::V; R],
    x: [&[Line]; T],
    chunk: usize,
    sums: &mut [[L::V; R]; T],
) {
    for t in 0..T {
        let x = lanes.load(&x[t][chunk].0);
        for r in 0..R {
            sums[t][r] = lanes.mul_add(weights[r], x, sums[t][r]);
        }
    }
}
