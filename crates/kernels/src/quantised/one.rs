//! Products with one vector: weights are read once, four rows at a time, and unpacked in registers.
//!
//! The four are far apart, each followed by the next one of its stream, and nothing is asked for ahead: the CPU's own
//! prefetcher follows long streams. On the development machine one core reads Q8_0 so at 25 GB/s, at 18 when
//! software asks ahead as well, and at 11 when it asks ahead of four neighbours.

use super::inputs::Vector;
use super::width::Width;
use crate::MatrixView;
use crate::encoding::blocks::{Blocks, Round};
use crate::lanes::{LANES, Lanes, Products};

/// Rows read at once.
const ROWS: usize = 4;

/// The dot products of all rows with `x`, handed to `put(row, 0, dot)`.
#[inline(always)]
pub(crate) fn dot_each<P: Products, Q: Blocks, A: Width>(
    products: P,
    weights: MatrixView<'_>,
    x: Vector<'_, A>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let count = weights.row_count();
    // Far apart, so that each row is followed by the next one of its stream.
    let stream = count.div_ceil(ROWS);
    for index in 0..stream {
        let mut rows = [[].as_slice(); ROWS];
        for (r, row) in rows.iter_mut().enumerate() {
            // Past the last row the last one is computed again, and its results dropped.
            *row = weights.row((r * stream + index).min(count - 1));
        }
        let dots = dot::<P, Q, A>(products, rows, &x);
        for (r, dot) in dots.into_iter().enumerate() {
            if r * stream + index < count {
                put(r * stream + index, 0, dot);
            }
        }
    }
}

/// The dot products of some rows with `x`.
#[inline(always)]
fn dot<P: Products, Q: Blocks, A: Width>(
    products: P,
    rows: [&[u8]; ROWS],
    x: &Vector<'_, A>,
) -> [f32; ROWS] {
    let lanes = products.lanes();
    let mut rounds = [[].as_slice(); ROWS];
    for r in 0..ROWS {
        rounds[r] = Q::Round::whole(rows[r]);
    }
    let whole = rounds[0].len();
    let tails = (whole < x.scales.len()).then(|| rows.map(Q::Round::tail));
    let mut sums = [lanes.splat(0.0); ROWS];
    for k in 0..x.scales.len() {
        for r in 0..ROWS {
            let round = match (rounds[r].get(k), &tails) {
                (Some(round), _) => round,
                (None, Some(tails)) => &tails[r],
                (None, None) => break,
            };
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
    if !Q::MINIMA {
        dots = products.less(dots, codes, Q::BIAS.trailing_zeros());
    }
    let [scales, minima] = Q::factors(lanes, round);
    let mut term = lanes.mul(scales, products.to_f32(dots));
    if Q::MINIMA {
        term = lanes.sub(term, lanes.mul(minima, products.to_f32(codes)));
    }
    lanes.mul_add(lanes.load(&x.scales[k].0), term, sum)
}
