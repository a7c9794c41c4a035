//! A fixed rotation between the numbers that are meant and the numbers of a hidden state, so that what is meant
//! is spread over all of them as in a trained model. Costs additions only.

use super::random::{Purpose, Random, Row};
use rand_chacha::rand_core::RngCore;

/// Largest block that is mixed at once; two rounds with a transposition between spread over its square.
const LARGEST: usize = 64;

/// Signs and Hadamard blocks, twice.
#[derive(Debug)]
pub(super) struct Mixing {
    width: usize,
    block: usize,
    signs: [Vec<f32>; 2],
}

impl Mixing {
    pub(super) fn new(random: &Random, width: usize) -> Mixing {
        let block = LARGEST.min(1 << width.trailing_zeros());
        // Blocks are scaled here, so that the whole keeps lengths.
        let scale = 1.0 / (block as f32).sqrt();
        let signs = |part| {
            let mut bits = random.stream(Row { purpose: Purpose::Signs, part, index: 0 });
            (0..width).map(|_| if bits.next_u32() & 1 == 0 { scale } else { -scale }).collect()
        };
        Mixing { width, block, signs: [signs(0), signs(1)] }
    }

    /// Numbers of a vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// From what is meant to a vector of the hidden state.
    pub(super) fn mix(&self, vector: &mut [f32], spare: &mut Vec<f32>) {
        self.sign(0, vector);
        self.blocks(vector);
        self.transpose(vector, spare, self.block);
        self.sign(1, vector);
        self.blocks(vector);
    }

    /// And back.
    pub(super) fn separate(&self, vector: &mut [f32], spare: &mut Vec<f32>) {
        self.blocks(vector);
        self.sign(1, vector);
        self.transpose(vector, spare, self.width / self.block);
        self.blocks(vector);
        self.sign(0, vector);
    }

    fn sign(&self, round: usize, vector: &mut [f32]) {
        vector.iter_mut().zip(&self.signs[round]).for_each(|(x, sign)| *x *= sign);
    }

    /// The Hadamard transform of each block, its own inverse but for the scale.
    fn blocks(&self, vector: &mut [f32]) {
        let mut half = 1;
        while half < self.block {
            for pair in vector.chunks_exact_mut(2 * half) {
                let (a, b) = pair.split_at_mut(half);
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
    }

    /// As a matrix with rows of `columns` numbers, which becomes its transpose.
    fn transpose(&self, vector: &mut [f32], spare: &mut Vec<f32>, columns: usize) {
        spare.clear();
        spare.extend_from_slice(vector);
        let rows = self.width / columns;
        for (column, out) in vector.chunks_exact_mut(rows).enumerate() {
            for (row, out) in out.iter_mut().enumerate() {
                *out = spare[row * columns + column];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_keeps_lengths_and_can_be_undone() {
        let random = Random::new(1);
        for width in [160, 512, 4544] {
            let (mixing, mut spare) = (Mixing::new(&random, width), Vec::new());
            let mut vector = vec![0.0; width];
            vector[3] = 2.0;
            mixing.mix(&mut vector, &mut spare);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!((length - 4.0).abs() < 1e-4, "{length}");
            let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(largest < 0.5, "what is meant is spread: {largest}");
            mixing.separate(&mut vector, &mut spare);
            assert!((vector[3] - 2.0).abs() < 1e-4 && vector[4].abs() < 1e-4);
        }
    }
}
