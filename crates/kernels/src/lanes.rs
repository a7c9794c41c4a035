//! Sixteen virtual f32 lanes: the unit of the arithmetic contract, with one implementation per
//! instruction set. Every operation rounds the same way in all of them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod products;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::{Avx512, Vnni};
pub(crate) use bytes::Bytes;
pub(crate) use products::{IntegerKernel, Products};
pub(crate) use scalar::Scalar;

/// Lanes of a dot product. Part of the contract: another number gives other bits.
pub(crate) const LANES: usize = 16;

/// Sixteen f32 in a cache line of their own: an AVX-512 load that crosses a line costs two.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line(pub(crate) [f32; LANES]);

impl Line {
    /// Sixteen zeros.
    pub(crate) const ZERO: Line = Line([0.0; LANES]);
}

/// Sixteen integers in a cache line of their own.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integers(pub(crate) [i32; LANES]);

/// One implementation of the lanes. A value of it proves that the CPU has the instructions.
pub(crate) trait Lanes: Bytes {
    /// Sixteen f32.
    type V: Copy;

    /// Whether there are registers enough for a large tile of accumulators.
    const MANY_REGISTERS: bool;

    /// Runs `kernel` in a function compiled for these instructions.
    fn enter<K: Kernel>(self, kernel: K) -> K::Output;

    /// The same number in every lane.
    fn splat(self, value: f32) -> Self::V;

    /// Sixteen f32 from memory.
    fn load(self, from: &[f32; LANES]) -> Self::V;

    /// Sixteen f32 to memory.
    fn store(self, lanes: Self::V, to: &mut [f32; LANES]);

    /// Sixteen little-endian binary16, widened exactly.
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::V;

    /// Sixteen little-endian bfloat16, widened exactly.
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::V;

    /// Sixteen little-endian binary32.
    fn load_f32(self, from: &[u8; 4 * LANES]) -> Self::V;

    /// Sixteen little-endian binary16 from as many places, widened exactly.
    fn load_f16_each(self, from: [[u8; 2]; LANES]) -> Self::V;

    /// `2^(exponent - 128)`, also where that is below the normal numbers.
    fn powers(self, exponents: [u8; LANES]) -> Self::V;

    /// Scales and minima of two blocks of Q4_K or Q5_K from the sixteen bytes that each begins with: lanes 4 q + 2 h + g
    /// take sub-block 2 q + g of block h.
    fn six_bit_factors(self, blocks: [&[u8; 16]; 2]) -> [Self::V; 2];

    /// The bytes of each quarter as numbers 0 to 255.
    fn unsigned(self, bytes: Self::B) -> [Self::V; 4];

    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The sum of the lanes by halving: lane i takes lane i + 8, then i + 4, i + 2, i + 1.
    fn sum(self, lanes: Self::V) -> f32;

    /// Asks for a cache line ahead of its use. Any address is allowed.
    fn prefetch(self, address: *const u8);
}

/// A computation written once for all instruction sets.
///
/// `run` must be `#[inline(always)]`, and so must whatever it calls with lanes: the code has to end
/// up inside the function of [`Lanes::enter`] to be compiled for its instructions.
pub(crate) trait Kernel {
    /// What the computation gives.
    type Output;

    /// Computes.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// The halving tree over an array: the meaning of [`Lanes::sum`].
#[inline(always)]
pub(crate) fn sum_by_halving(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}
