//! Products with one vector: weights are read once, four rows at a time, and unpacked in registers.
//!
//! The four are far apart, each followed by the next one of its stream, and nothing is asked for ahead: the CPU's own
//! prefetcher follows long streams. On the development machine one core reads Q8_0 so at 25 GB/s, at 18 when
//! software asks ahead as well, and at 11 when it asks ahead of four neighbours.
//!
//! Where rows end within a round, the tails of the four are unpacked as one round: of rows of 576 numbers, a round of
//! 512 and two sub-blocks, a round of its own for each tail would be nearly half of the work.

use super::inputs::{Spread, Vector};
use super::width::Width;
use crate::MatrixView;
use crate::encoding::blocks::{Blocks, Round, View, lane_of};
use crate::lanes::{Integers, LANES, Lanes, Line, Products};

/// Rows read at once.
const ROWS: usize = 4;

/// Most rounds that the tails of four rows are: four of each row's sub-blocks in a round.
const PARTS: usize = 4;

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
    let tail = x.scales.len() > weights.cols() / (Q::SUB * LANES);
    let together = tail && Q::Round::BLOCKS == LANES;
    let parts = (weights.cols() / Q::SUB % LANES).div_ceil(PARTS);
    let spread: [_; PARTS] = match together {
        true => std::array::from_fn(|part| (part < parts).then(|| Spread::new(&x, part))),
        false => [const { None }; PARTS],
    };
    for index in 0..stream {
        let mut rows = [[].as_slice(); ROWS];
        for (r, row) in rows.iter_mut().enumerate() {
            // Past the last row the last one is computed again, and its results dropped.
            *row = weights.row((r * stream + index).min(count - 1));
        }
        let mut sums = whole_rounds::<P, Q, A>(products, rows, &x);
        if together {
            add_tails::<P, Q, A>(products, rows, &x, &spread, &mut sums);
        } else if tail {
            let k = x.scales.len() - 1;
            for r in 0..ROWS {
                let round = Q::Round::tail(rows[r]);
                sums[r] = add_round::<P, Q, A>(products, &round, &x, k, sums[r]);
            }
        }
        for (r, sum) in sums.into_iter().enumerate() {
            if r * stream + index < count {
                put(r * stream + index, 0, products.lanes().sum(sum));
            }
        }
    }
}

/// The lanes of some rows after their whole rounds.
#[inline(always)]
fn whole_rounds<P: Products, Q: Blocks, A: Width>(
    products: P,
    rows: [&[u8]; ROWS],
    x: &Vector<'_, A>,
) -> [<P::L as Lanes>::V; ROWS] {
    let mut rounds = [[].as_slice(); ROWS];
    for r in 0..ROWS {
        rounds[r] = Q::Round::whole(rows[r]);
    }
    let mut sums = [products.lanes().splat(0.0); ROWS];
    for k in 0..rounds[0].len() {
        for r in 0..ROWS {
            let Some(round) = rounds[r].get(k) else { break };
            sums[r] = add_round::<P, Q, A>(products, round, x, k, sums[r]);
        }
    }
    sums
}

/// Adds the terms of the tails of four rows.
#[inline(always)]
fn add_tails<P: Products, Q: Blocks, A: Width>(
    products: P,
    rows: [&[u8]; ROWS],
    x: &Vector<'_, A>,
    spread: &[Option<Spread<A>>; PARTS],
    sums: &mut [<P::L as Lanes>::V; ROWS],
) {
    let lanes = products.lanes();
    let mut terms = [Line::ZERO; ROWS];
    let zero = Q::Round::ZERO;
    for (part, spread) in spread.iter().flatten().enumerate() {
        let round = Q::Round::tails(rows, part, &zero);
        let together = term::<P, Q, A>(products, &round, &spread.pieces, &spread.sums);
        let mut stored = Line::ZERO;
        lanes.store(together, &mut stored.0);
        for (q, terms) in terms.iter_mut().enumerate() {
            for j in 0..4 {
                terms.0[lane_of(32, 4 * part + j)] = stored.0[4 * q + j];
            }
        }
    }
    let Some(scales) = x.scales.last() else { return };
    let scales = lanes.load(&scales.0);
    for r in 0..ROWS {
        sums[r] = lanes.mul_add(scales, lanes.load(&terms[r].0), sums[r]);
    }
}

/// Adds the terms of round `k` to the lanes.
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
    let term = term::<P, Q, A>(products, &round.view(), pieces, &x.sums[k]);
    lanes.mul_add(lanes.load(&x.scales[k].0), term, sum)
}

/// The terms of a round, whose pieces of the vector have these sums.
#[inline(always)]
fn term<P: Products, Q: Blocks, A: Width>(
    products: P,
    round: &View<'_, Q>,
    pieces: &[A::Piece],
    sums: &Integers,
) -> <P::L as Lanes>::V {
    let lanes = products.lanes();
    let registers = Q::SUB / LANES;
    let pieces = &pieces[..4 * registers];
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
    let codes = products.load(&sums.0);
    if !Q::MINIMA {
        dots = products.less(dots, codes, Q::BIAS.trailing_zeros());
    }
    let [scales, minima] = Q::factors(lanes, round);
    let term = lanes.mul(scales, products.to_f32(dots));
    if Q::MINIMA {
        return lanes.sub(term, lanes.mul(minima, products.to_f32(codes)));
    }
    term
}
