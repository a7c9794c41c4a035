//! Products with many vectors: weights are unpacked once per panel of rows, then multiplied in tiles.
//!
//! Every (row, vector) pair keeps its sixteen lanes and takes the terms that one vector alone would give them, in the
//! same order.

use super::inputs::{Inputs, Vector};
use super::width::Width;
use crate::MatrixView;
use crate::encoding::blocks::{Blocks, Round};
use crate::lanes::{Bytes, IntegerKernel, LANES, Lanes, Line, Products};
use std::marker::PhantomData;

/// Registers of codes that are unpacked at a time per row: a panel stays in the first cache.
const DEPTH: usize = 16;

/// Rounds that those are at most.
const ROUNDS: usize = DEPTH / 4;

/// Rows of a panel: vectors come from the second cache once per panel.
const PANEL: usize = 12;

/// Rows that are multiplied at a time with two vectors: as many sums as there are registers.
const ROWS: usize = 2;

/// Sixty-four unsigned codes in a cache line of their own.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Codes([u8; 64]);

/// Some rounds of a row, unpacked.
#[derive(Clone, Copy)]
struct Unpacked {
    codes: [Codes; DEPTH],
    scales: [Line; ROUNDS],
    minima: [Line; ROUNDS],
}

/// The dot products of all rows with all vectors, handed to `put(row, vector, dot)`.
#[inline(always)]
pub(crate) fn dot_all<P: Products, Q: Blocks, A: Width>(
    products: P,
    weights: MatrixView<'_>,
    inputs: &Inputs<A>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let registers = Q::SUB / LANES;
    let (count, depth) = (weights.row_count(), ROUNDS / registers);
    let rounds = inputs.rounds();
    let last = weights.cols() / Q::SUB % LANES;
    let blank = Unpacked {
        codes: [Codes([0; 64]); DEPTH],
        scales: [Line::ZERO; ROUNDS],
        minima: [Line::ZERO; ROUNDS],
    };
    let mut panel = [blank; PANEL];
    let mut sums = vec![[Line::ZERO; PANEL]; inputs.count()];
    for first in (0..count).step_by(PANEL) {
        sums.fill([Line::ZERO; PANEL]);
        for from in (0..rounds).step_by(depth) {
            let depth = depth.min(rounds - from);
            for (r, to) in panel.iter_mut().enumerate() {
                // Past the last row the last one is computed again, and its results dropped.
                let row = weights.row((first + r).min(count - 1));
                products.enter_products(Unpack::<Q> {
                    row,
                    from,
                    depth,
                    to,
                    encoding: PhantomData,
                });
            }
            let shift = Q::BIAS.trailing_zeros();
            // Of a last round that is at most half full the second half is zeros.
            let half = (from + depth == rounds && (1..=8).contains(&last)).then(|| depth - 1);
            let rows = Rows { products, panel: &panel, depth, half, shift };
            let sums = &mut sums;
            match (Q::SUB, Q::WIDE, Q::MINIMA) {
                (16, _, false) => rows.tiles::<A, 1, false, false>(inputs, from, sums),
                (16, _, true) => rows.tiles::<A, 1, false, true>(inputs, from, sums),
                (_, false, false) => rows.tiles::<A, 2, false, false>(inputs, from, sums),
                (_, false, true) => rows.tiles::<A, 2, false, true>(inputs, from, sums),
                (_, true, _) => rows.tiles::<A, 2, true, false>(inputs, from, sums),
            }
        }
        let lanes = products.lanes();
        for (token, sums) in sums.iter().enumerate() {
            for (r, sum) in sums.iter().enumerate().take(count - first) {
                put(first + r, token, lanes.sum(lanes.load(&sum.0)));
            }
        }
    }
}

/// Unpacks `depth` rounds of a row from round `from` on. A kernel of its own, as it is the same for all widths.
struct Unpack<'a, Q> {
    row: &'a [u8],
    from: usize,
    depth: usize,
    to: &'a mut Unpacked,
    encoding: PhantomData<Q>,
}

impl<Q: Blocks> IntegerKernel for Unpack<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn run<P: Products>(self, products: P) {
        let lanes = products.lanes();
        let registers = Q::SUB / LANES;
        let rounds = Q::Round::whole(self.row);
        for index in 0..self.depth {
            let tail;
            let round = match rounds.get(self.from + index) {
                Some(round) => round,
                None => {
                    tail = Q::Round::tail(self.row);
                    &tail
                }
            };
            let round = &round.view();
            let to = &mut self.to.codes[index * 4 * registers..][..4 * registers];
            for half in 0..2 {
                let codes = Q::codes(lanes, round, half);
                for group in 0..2 {
                    for register in 0..registers {
                        let to = &mut to[(2 * half + group) * registers + register];
                        lanes.store_bytes(codes[group][register], &mut to.0);
                    }
                }
            }
            let [scales, minima] = Q::factors(lanes, round);
            lanes.store(scales, &mut self.to.scales[index].0);
            lanes.store(minima, &mut self.to.minima[index].0);
        }
    }
}

/// A panel of rows, and how far their codes are shifted above what they mean.
#[derive(Clone, Copy)]
struct Rows<'a, P> {
    products: P,
    panel: &'a [Unpacked; PANEL],
    depth: usize,
    /// The round whose second half is zeros.
    half: Option<usize>,
    shift: u32,
}

impl<P: Products> Rows<'_, P> {
    /// Adds the terms of the panel's rounds, which are those from `from` on, to the lanes of every vector.
    fn tiles<A: Width, const REGISTERS: usize, const WIDE: bool, const MINIMA: bool>(
        self,
        inputs: &Inputs<A>,
        from: usize,
        sums: &mut [[Line; PANEL]],
    ) {
        let rounds = from..from + self.depth;
        let Rows { products, .. } = self;
        let (pairs, single) = sums.as_chunks_mut::<2>();
        let after = 2 * pairs.len();
        for (pair, sums) in pairs.iter_mut().enumerate() {
            let vectors = [2 * pair, 2 * pair + 1].map(|i| inputs.vector(i, rounds.clone()));
            let rows = self;
            products.enter_products(Tile::<A, P, 2, REGISTERS, WIDE, MINIMA> {
                rows,
                vectors,
                sums,
            });
        }
        for sums in single.as_chunks_mut::<1>().0 {
            let vectors = [inputs.vector(after, rounds.clone())];
            let rows = self;
            products.enter_products(Tile::<A, P, 1, REGISTERS, WIDE, MINIMA> {
                rows,
                vectors,
                sums,
            });
        }
    }
}

/// A panel of rows against `T` vectors.
struct Tile<
    'a,
    A: Width,
    R,
    const T: usize,
    const REGISTERS: usize,
    const WIDE: bool,
    const MINIMA: bool,
> {
    rows: Rows<'a, R>,
    vectors: [Vector<'a, A>; T],
    sums: &'a mut [[Line; PANEL]; T],
}

impl<
    A: Width,
    R: Products,
    const T: usize,
    const REGISTERS: usize,
    const WIDE: bool,
    const MINIMA: bool,
> IntegerKernel for Tile<'_, A, R, T, REGISTERS, WIDE, MINIMA>
{
    type Output = ();

    #[inline(always)]
    fn run<P: Products>(self, products: P) {
        let lanes = products.lanes();
        let Tile { rows, vectors, sums } = self;
        for (pair, panel) in rows.panel.as_chunks::<ROWS>().0.iter().enumerate() {
            let mut lane_sums = [[lanes.splat(0.0); ROWS]; T];
            for (to, sums) in lane_sums.iter_mut().zip(sums.iter()) {
                for (to, from) in to.iter_mut().zip(&sums[pair * ROWS..]) {
                    *to = lanes.load(&from.0);
                }
            }
            for index in 0..rows.depth {
                let vectors = &vectors;
                let groups = match rows.half == Some(index) && REGISTERS == 2 {
                    true => dots::<P, A, T, REGISTERS, 2, WIDE>(products, panel, vectors, index),
                    false => dots::<P, A, T, REGISTERS, 4, WIDE>(products, panel, vectors, index),
                };
                for t in 0..T {
                    let scales = lanes.load(&vectors[t].scales[index].0);
                    let codes = products.load(&vectors[t].sums[index].0);
                    for (r, row) in panel.iter().enumerate() {
                        let [a, b, c, d] = &groups;
                        let mut dots = products.gather([a[t][r], b[t][r], c[t][r], d[t][r]]);
                        if !MINIMA {
                            dots = products.less(dots, codes, rows.shift);
                        }
                        let dots = products.to_f32(dots);
                        let mut term = lanes.mul(lanes.load(&row.scales[index].0), dots);
                        if MINIMA {
                            let minima = lanes.load(&row.minima[index].0);
                            term = lanes.sub(term, lanes.mul(minima, products.to_f32(codes)));
                        }
                        lane_sums[t][r] = lanes.mul_add(scales, term, lane_sums[t][r]);
                    }
                }
            }
            for (from, sums) in lane_sums.iter().zip(sums.iter_mut()) {
                for (from, to) in from.iter().zip(&mut sums[pair * ROWS..]) {
                    lanes.store(*from, &mut to.0);
                }
            }
        }
    }
}

/// The sums of products of the first groups of one round, not yet gathered: of each group those of each pair.
#[inline(always)]
fn dots<
    P: Products,
    A: Width,
    const T: usize,
    const REGISTERS: usize,
    const GROUPS: usize,
    const WIDE: bool,
>(
    products: P,
    panel: &[Unpacked; ROWS],
    vectors: &[Vector<'_, A>; T],
    index: usize,
) -> [[[P::I; ROWS]; T]; 4] {
    let lanes = products.lanes();
    let first = index * 4 * REGISTERS;
    let mut rows = [[].as_slice(); ROWS];
    for (row, unpacked) in rows.iter_mut().zip(panel) {
        *row = &unpacked.codes[first..][..4 * REGISTERS];
    }
    let mut pieces = [[].as_slice(); T];
    for (pieces, vector) in pieces.iter_mut().zip(vectors) {
        *pieces = &vector.pieces[first..][..4 * REGISTERS];
    }
    let mut groups = [[[products.zero(); ROWS]; T]; 4];
    for (group, sums) in groups.iter_mut().enumerate().take(GROUPS) {
        for register in 0..REGISTERS {
            let place = group * REGISTERS + register;
            let mut codes = [lanes.bytes(&[0; 64]); ROWS];
            for (codes, row) in codes.iter_mut().zip(rows) {
                *codes = lanes.bytes(&row[place].0);
            }
            for t in 0..T {
                for (sum, codes) in sums[t].iter_mut().zip(codes) {
                    *sum = A::dot(products, *sum, codes, &pieces[t][place], WIDE);
                }
            }
        }
    }
    groups
}
