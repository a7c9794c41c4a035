//! Vectors as integers, in the order in which the products take them.

use super::width::Width;
use crate::Compute;
use crate::encoding::blocks::sub_block;
use crate::lanes::{IntegerKernel, Integers, LANES, Line, Products};

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

    /// Vector `index`.
    #[inline(always)]
    pub(crate) fn vector(&self, index: usize) -> Vector<'_, A> {
        let rounds = index * self.rounds..(index + 1) * self.rounds;
        let pieces = rounds.start * 4 * self.registers..rounds.end * 4 * self.registers;
        Vector {
            pieces: &self.pieces[pieces],
            scales: &self.scales[rounds.clone()],
            sums: &self.sums[rounds],
        }
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
    fn run<P: Products>(self, _: P) {
        let Quantise { x, sub, pieces, scales, sums } = self;
        let registers = sub / LANES;
        let rounds = x.chunks(sub * LANES).zip(pieces.chunks_mut(4 * registers));
        for (((x, pieces), scales), sums) in rounds.zip(scales).zip(sums) {
            let mut codes = [[0; LANES]; 32];
            let mut block_scales = [0.0; 16];
            for (block, x) in x.as_chunks().0.iter().enumerate() {
                let to = codes[2 * block..][..2].as_flattened_mut();
                block_scales[block] = quantise::<A>(x, to);
            }
            for lane in 0..LANES {
                let index = sub_block(sub, lane);
                scales.0[lane] = block_scales[index * sub / BLOCK];
                let codes = &codes[index * registers..][..registers];
                sums.0[lane] = codes.as_flattened().iter().sum();
                for (register, codes) in codes.iter().enumerate() {
                    let piece = &mut pieces[lane % 4 * registers + register];
                    A::put(piece, lane / 4, codes);
                }
            }
        }
    }
}

/// The codes of one block; gives its scale.
#[inline(always)]
fn quantise<A: Width>(x: &[f32; BLOCK], codes: &mut [i32]) -> f32 {
    // Magnitudes are ordered as their bits are.
    let magnitude = |x: &f32| (x.to_bits() & 0x7fff_ffff) as i32;
    let largest = x.iter().map(magnitude).fold(0, i32::max);
    let largest = f32::from_bits(largest as u32);
    if largest < SMALLEST || !largest.is_finite() {
        codes.fill(0);
        // One number that is none makes the whole product none.
        return if largest < SMALLEST { 0.0 } else { f32::NAN };
    }
    let to_code = A::LARGEST / largest;
    for (code, x) in codes.iter_mut().zip(x) {
        // Among numbers near 1.5 * 2^23 the last bit is worth one, so that the sum rounds half to even.
        const ROUND: f32 = 12_582_912.0;
        let rounded = (x * to_code + ROUND).to_bits() as i32;
        *code = rounded.wrapping_sub(ROUND.to_bits() as i32);
    }
    largest / A::LARGEST
}
