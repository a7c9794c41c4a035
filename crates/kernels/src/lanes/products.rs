//! Exact products of small integers: what dot products with quantised activations are made of.

use super::{Bytes, LANES, Lanes};

/// One implementation of integer products. A value of it proves that the CPU has the instructions.
pub(crate) trait Products: Copy + Send + Sync {
    /// The lanes that it goes with.
    type L: Lanes;

    /// Sixteen sums of 32 bits.
    type I: Copy;

    /// Runs `kernel` in a function compiled for these instructions.
    fn enter_products<K: IntegerKernel>(self, kernel: K) -> K::Output;

    /// The lanes.
    fn lanes(self) -> Self::L;

    /// Sixty-four times the same byte.
    fn all(self, byte: u8) -> <Self::L as Bytes>::B {
        self.lanes().twice(&[byte; 32])
    }

    /// Sixteen zeros.
    fn zero(self) -> Self::I;

    /// Sixteen integers from memory.
    fn load(self, from: &[i32; LANES]) -> Self::I;

    /// Sixteen integers to memory.
    fn store(self, integers: Self::I, to: &mut [i32; LANES]);

    /// The largest magnitude among thirty-two numbers; no number or infinity if one of them is.
    fn magnitude(self, a: <Self::L as Lanes>::V, b: <Self::L as Lanes>::V) -> f32;

    /// Numbers within 2^31 rounded to integers, half to even.
    fn round(self, numbers: <Self::L as Lanes>::V) -> Self::I;

    /// Sixteen integers that fit 8 bits, to memory.
    fn store8(self, integers: Self::I, to: &mut [i8; LANES]);

    /// Sixteen integers that fit 16 bits, to memory: those at even places and those at odd ones.
    fn store16(self, integers: Self::I, even: &mut [i16; 8], odd: &mut [i16; 8]);

    /// Adds to sum i the products of bytes 4 i to 4 i + 3, unsigned, with `x`, whose numbers are within 127;
    /// `wide` where a byte may exceed 128.
    fn dot8(self, sum: Self::I, codes: <Self::L as Bytes>::B, x: &[i8; 64], wide: bool) -> Self::I;

    /// As [`Products::dot8`], with numbers of 16 bits: those at even places first, then those at odd
    /// ones.
    fn dot16(self, sum: Self::I, codes: <Self::L as Bytes>::B, x: &[[i16; 32]; 2]) -> Self::I;

    /// Sum 4 q + r becomes the sum of sums 4 q to 4 q + 3 of `groups[r]`.
    fn gather(self, groups: [Self::I; 4]) -> Self::I;

    /// `a - (b << shift)`.
    fn less(self, a: Self::I, b: Self::I, shift: u32) -> Self::I;

    /// The sums as numbers, rounded to even.
    fn to_f32(self, sums: Self::I) -> <Self::L as Lanes>::V;
}

/// A computation with integer products; otherwise as [`super::Kernel`].
pub(crate) trait IntegerKernel {
    /// What the computation gives.
    type Output;

    /// Computes.
    fn run<P: Products>(self, products: P) -> Self::Output;
}
