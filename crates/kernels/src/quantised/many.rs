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

/// Rows of a panel.
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
    let rounds = weights.cols().div_ceil(Q::SUB * LANES);
    let blank = Unpacked {
        codes: [Codes([0; 64]); DEPTH],
        scales: [Line::ZERO; ROUNDS],
        minima: [Line::ZERO; ROUNDS],
    };
    let mut panel = [blank; ROWS];
    let mut sums = vec![[Line::ZERO; ROWS]; inputs.count()];
    for first in (0..count).step_by(ROWS) {
        sums.fill([Line::ZERO; ROWS]);
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
            let rows = Rows {
                panel: &panel,
                depth,
                shift: (Q::BIAS > 0).then(|| Q::BIAS.trailing_zeros()),
                minima: Q::MINIMA,
            };
            match (Q::SUB, Q::WIDE) {
                (16, _) => tiles::<P, A, 1, false>(products, rows, inputs, from, &mut sums),
                (_, false) => tiles::<P, A, 2, false>(products, rows, inputs, from, &mut sums),
                (_, true) => tiles::<P, A, 2, true>(products, rows, inputs, from, &mut sums),
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

/// A panel of rows, and what its encoding asks for.
#[derive(Clone, Copy)]
struct Rows<'a> {
    panel: &'a [Unpacked; ROWS],
    depth: usize,
    shift: Option<u32>,
    minima: bool,
}

/// Adds the terms of a panel's rounds, which are those from `from` on, to the lanes of every vector.
fn tiles<P: Products, A: Width, const REGISTERS: usize, const WIDE: bool>(
    products: P,
    rows: Rows<'_>,
    inputs: &Inputs<A>,
    from: usize,
    sums: &mut [[Line; ROWS]],
) {
    let (pairs, single) = sums.as_chunks_mut::<2>();
    let after = 2 * pairs.len();
    for (pair, sums) in pairs.iter_mut().enumerate() {
        let vectors = [inputs.vector(2 * pair), inputs.vector(2 * pair + 1)];
        products.enter_products(Tile::<A, 2, REGISTERS, WIDE> { rows, vectors, from, sums });
    }
    for sums in single.as_chunks_mut::<1>().0 {
        let vectors = [inputs.vector(after)];
        products.enter_products(Tile::<A, 1, REGISTERS, WIDE> { rows, vectors, from, sums });
    }
}

/// A panel of rows against `T` vectors.
struct Tile<'a, A: Width, const T: usize, const REGISTERS: usize, const WIDE: bool> {
    rows: Rows<'a>,
    vectors: [Vector<'a, A>; T],
    from: usize,
    sums: &'a mut [[Line; ROWS]; T],
}

impl<A: Width, const T: usize, const REGISTERS: usize, const WIDE: bool> IntegerKernel
    for Tile<'_, A, T, REGISTERS, WIDE>
{
    type Output = ();

    #[inline(always)]
    fn run<P: Products>(self, products: P) {
        let lanes = products.lanes();
        let Tile { rows, vectors, from, sums } = self;
        for index in 0..rows.depth {
            let mut groups = [[[products.zero(); ROWS]; T]; 4];
            for (group, sums) in groups.iter_mut().enumerate() {
                for register in 0..REGISTERS {
                    let piece = group * REGISTERS + register;
                    let mut codes = [lanes.bytes(&[0; 64]); ROWS];
                    for (codes, row) in codes.iter_mut().zip(rows.panel) {
                        *codes = lanes.bytes(&row.codes[index * 4 * REGISTERS + piece].0);
                    }
                    for t in 0..T {
                        let piece = &vectors[t].pieces[(from + index) * 4 * REGISTERS + piece];
                        for r in 0..ROWS {
                            sums[t][r] = A::dot(products, sums[t][r], codes[r], piece, WIDE);
                        }
                    }
                }
            }
            for t in 0..T {
                let scales = lanes.load(&vectors[t].scales[from + index].0);
                let codes = products.load(&vectors[t].sums[from + index].0);
                for r in 0..ROWS {
                    let [a, b, c, d] = &groups;
                    let mut dots = products.gather([a[t][r], b[t][r], c[t][r], d[t][r]]);
                    if let Some(shift) = rows.shift {
                        dots = products.less(dots, codes, shift);
                    }
                    let row = &rows.panel[r];
                    let dots = products.to_f32(dots);
                    let mut term = lanes.mul(lanes.load(&row.scales[index].0), dots);
                    if rows.minima {
                        let minima = lanes.load(&row.minima[index].0);
                        term = lanes.sub(term, lanes.mul(minima, products.to_f32(codes)));
                    }
                    let sum = lanes.load(&sums[t][r].0);
                    lanes.store(lanes.mul_add(scales, term, sum), &mut sums[t][r].0);
                }
            }
        }
    }
}
