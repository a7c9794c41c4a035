//! Products with one vector: weights are read once, so four rows are read at a time and unpacked in registers.

use super::inputs::Vector;
use super::width::Width;
use crate::MatrixView;
use crate::encoding::blocks::{Blocks, Round};
use crate::lanes::{LANES, Lanes, Products};

/// Rows read at once.
const ROWS: usize = 4;

/// How far ahead of its use a cache line is asked for, in bytes of each row.
const AHEAD: usize = 1024;

/// A cache line, in bytes.
const LINE: usize = 64;

/// The dot products of all rows with `x`, handed to `put(row, 0, dot)`.
#[inline(always)]
pub(crate) fn dot_each<P: Products, Q: Blocks, A: Width>(
    products: P,
    weights: MatrixView<'_>,
    x: Vector<'_, A>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let count = weights.row_count();
    for first in (0..count).step_by(ROWS) {
        // Past the last row the last one is computed again, and its results dropped.
        let mut rows = [[].as_slice(); ROWS];
        let mut next = [[].as_slice(); ROWS];
        for r in 0..ROWS {
            rows[r] = weights.row((first + r).min(count - 1));
            next[r] = weights.row((first + ROWS + r).min(count - 1));
        }
        let dots = dot::<P, Q, A>(products, rows, next, &x);
        for (r, dot) in dots.into_iter().enumerate().take(count - first) {
            put(first + r, 0, dot);
        }
    }
}

/// The dot products of some rows with `x`; the starts of the rows in `next` are asked for on the way.
#[inline(always)]
fn dot<P: Products, Q: Blocks, A: Width>(
    products: P,
    rows: [&[u8]; ROWS],
    next: [&[u8]; ROWS],
    x: &Vector<'_, A>,
) -> [f32; ROWS] {
    let lanes = products.lanes();
    let mut rounds = [[].as_slice(); ROWS];
    for r in 0..ROWS {
        rounds[r] = Q::Round::whole(rows[r]);
    }
    let whole = rounds[0].len();
    let tails = (whole < x.scales.len()).then(|| rows.map(Q::Round::tail));
    // Lines of these rows while there are any ahead, then the first lines of the next rows.
    let turn = whole.saturating_sub(AHEAD / Q::Round::BYTES);
    let mut sums = [lanes.splat(0.0); ROWS];
    for k in 0..x.scales.len() {
        for r in 0..ROWS {
            let round = match (rounds[r].get(k), &tails) {
                (Some(round), _) => round,
                (None, Some(tails)) => &tails[r],
                (None, None) => break,
            };
            let ahead = if k < turn {
                rows[r].as_ptr().wrapping_add(AHEAD + k * Q::Round::BYTES)
            } else {
                next[r].as_ptr().wrapping_add((k - turn) * Q::Round::BYTES)
            };
            for line in (0..Q::Round::BYTES).step_by(LINE) {
                lanes.prefetch(ahead.wrapping_add(line));
            }
            sums[r] = add_round::<P, Q, A>(products, round, x, k, sums[r]);
        }
    }
    let mut dots = [0.0; ROWS];
    for r in 0..ROWS {
        dots[r] = lanes.sum(sums[r]);
    }
    dots
}

/// Adds the terms of a round to the lanes.
#[inline(always)]
fn add_round<P: Products, Q: Blocks, A: Width>(
    products: P,
    round: &Q::Round,
    x: &Vector<'_, A>,
    k: usize,
    sum: <P::L as Lanes>::V,
) -> <P::L as Lanes>::V {
    let lanes = products.lanes();
    let registers = Q::SUB / LANES;
    let pieces = &x.pieces[k * 4 * registers..][..4 * registers];
    let mut groups = [products.zero(); 4];
    for half in 0..2 {
        let codes = Q::codes(lanes, round, half);
        for group in 0..2 {
            let index = 2 * half + group;
            for register in 0..registers {
                let piece = &pieces[index * registers + register];
                let codes = codes[group][register];
                groups[index] = A::dot(products, groups[index], codes, piece, Q::WIDE);
            }
        }
    }
    let mut dots = products.gather(groups);
    let codes = products.load(&x.sums[k].0);
    if Q::BIAS > 0 {
        dots = products.less(dots, codes, Q::BIAS.trailing_zeros());
    }
    let [scales, minima] = Q::factors(lanes, round);
    let mut term = lanes.mul(scales, products.to_f32(dots));
    if Q::MINIMA {
        term = lanes.sub(term, lanes.mul(minima, products.to_f32(codes)));
    }
    lanes.mul_add(lanes.load(&x.scales[k].0), term, sum)
}
