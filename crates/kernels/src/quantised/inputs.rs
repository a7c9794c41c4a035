//! Vectors as integers, in the order in which the products take them.

use super::width::Width;
use crate::Compute;
use crate::encoding::blocks::{lane_of, part};
use crate::lanes::{IntegerKernel, Integers, LANES, Lanes, Line, Products};
use std::ops::Range;

/// Activations that share a scale.
const BLOCK: usize = 32;

/// Numbers below this count as zeros: their reciprocals would be infinite, or nearly.
const SMALLEST: f32 = 1.0 / (1u128 << 100) as f32;

/// Some vectors as integers with scales.
pub(crate) struct Inputs<A: Width> {
    pieces: Vec<A::Piece>,
    scales: Vec<Line>,
    sums: Vec<Integers>,
    rounds: usize,
    registers: usize,
    count: usize,
}

/// One of them.
pub(crate) struct Vector<'a, A: Width> {
    /// The codes: of each round group 0 to 3, of each group one or two pieces.
    pub(crate) pieces: &'a [A::Piece],
    /// Of each round the scales of the activations, lane by lane.
    pub(crate) scales: &'a [Line],
    /// Of each round the sums of the codes of each sub-block, lane by lane.
    pub(crate) sums: &'a [Integers],
}

impl<A: Width> Inputs<A> {
    /// The rows of `x`, each `width` numbers (a multiple of 32), for weights with sub-blocks of `sub` numbers.
    pub(crate) fn new(c: &Compute, x: &[f32], width: usize, sub: usize) -> Inputs<A> {
        let count = x.len().checked_div(width).unwrap_or(0);
        assert_eq!(x.len(), count * width, "vectors of {width} numbers each");
        let (rounds, registers) = (width.div_ceil(sub * LANES), sub / LANES);
        let mut inputs = Inputs {
            pieces: vec![A::ZERO; count * rounds * 4 * registers],
            scales: vec![Line::ZERO; count * rounds],
            sums: vec![Integers([0; LANES]); count * rounds],
            rounds,
            registers,
            count,
        };
        let pieces = inputs.pieces.chunks_mut((rounds * 4 * registers).max(1));
        let scales = inputs.scales.chunks_mut(rounds.max(1));
        let sums = inputs.sums.chunks_mut(rounds.max(1));
        let vectors = x.chunks(width.max(1)).zip(pieces).zip(scales).zip(sums);
        let path = c.integer_path();
        c.share(size_of_val(x), vectors, |(((x, pieces), scales), sums)| {
            path.run(Quantise::<A> { x, sub, pieces, scales, sums });
        });
        inputs
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Rounds that a vector has.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Some rounds of vector `index`.
    #[inline(always)]
    pub(crate) fn vector(&self, index: usize, rounds: Range<usize>) -> Vector<'_, A> {
        let before = index * self.rounds;
        let rounds = before + rounds.start..before + rounds.end;
        let pieces = rounds.start * 4 * self.registers..rounds.end * 4 * self.registers;
        Vector {
            pieces: &self.pieces[pieces],
            scales: &self.scales[rounds.clone()],
            sums: &self.sums[rounds],
        }
    }
}

/// Four sub-blocks of the last round of a vector, each in every quarter: what meets the tails of four rows at once.
#[derive(Clone, Copy)]
pub(crate) struct Spread<A: Width> {
    /// Of each sub-block two pieces.
    pub(crate) pieces: [A::Piece; 8],
    /// Sums of the codes, those of sub-block j in lanes 4 q + j.
    pub(crate) sums: Integers,
}

impl<A: Width> Spread<A> {
    /// Sub-blocks 4 part to 4 part + 3, of 32 numbers, of the last round of `x`.
    pub(crate) fn new(x: &Vector<'_, A>, part: usize) -> Spread<A> {
        let last = x.sums.len() - 1;
        let pieces = &x.pieces[8 * last..];
        let mut spread = Spread { pieces: [A::ZERO; 8], sums: Integers([0; LANES]) };
        for j in 0..4 {
            let lane = lane_of(32, 4 * part + j);
            for register in 0..2 {
                let piece = &pieces[lane % 4 * 2 + register];
                spread.pieces[2 * j + register] = A::spread(piece, lane / 4);
            }
            for q in 0..4 {
                spread.sums.0[4 * q + j] = x.sums[last].0[lane];
            }
        }
        spread
    }
}

/// Quantises one vector.
struct Quantise<'a, A: Width> {
    x: &'a [f32],
    sub: usize,
    pieces: &'a mut [A::Piece],
    scales: &'a mut [Line],
    sums: &'a mut [Integers],
}

impl<A: Width> IntegerKernel for Quantise<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<P: Products>(self, products: P) {
        let Quantise { x, sub, pieces, scales, sums } = self;
        let registers = sub / LANES;
        let rounds = x.chunks(sub * LANES).zip(pieces.chunks_mut(4 * registers));
        for (((x, pieces), scales), sums) in rounds.zip(scales).zip(sums) {
            for (block, x) in x.as_chunks().0.iter().enumerate() {
                let (scale, codes) = quantise::<P, A>(products, x);
                for (half, codes) in codes.into_iter().enumerate() {
                    let sixteen = 2 * block + half;
                    let lane = lane_of(sub, sixteen / registers);
                    let piece = lane % 4 * registers + sixteen % registers;
                    A::put(products, &mut pieces[piece], lane / 4, codes);
                    scales.0[lane] = scale;
                }
            }
            let mut groups = [products.zero(); 4];
            for (group, pieces) in groups.iter_mut().zip(pieces.chunks(registers)) {
                for piece in pieces {
                    *group = A::dot(products, *group, products.all(1), piece, false);
                }
            }
            products.store(products.gather(groups), &mut sums.0);
        }
    }
}

/// The scale of one block, and its codes.
#[inline(always)]
fn quantise<P: Products, A: Width>(products: P, x: &[f32; BLOCK]) -> (f32, [P::I; 2]) {
    let lanes = products.lanes();
    let [first, second] = [part(x, 0), part(x, LANES)];
    let (first, second) = (lanes.load(first), lanes.load(second));
    let largest = products.magnitude(first, second);
    if largest < SMALLEST || !largest.is_finite() {
        // One NaN makes the whole product NaN.
        return (if largest < SMALLEST { 0.0 } else { f32::NAN }, [products.zero(); 2]);
    }
    let to_code = lanes.splat(A::LARGEST / largest);
    let first = products.round(lanes.mul(first, to_code));
    let second = products.round(lanes.mul(second, to_code));
    (largest / A::LARGEST, [first, second])
}
