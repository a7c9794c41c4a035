//! The lanes in plain Rust: the reference, and what runs on CPUs without a path of their own.

mod bytes;
mod products;

use super::{Kernel, LANES, Lanes, sum_by_halving};
use half::{bf16, f16};

/// Needs nothing of the CPU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Lanes for Scalar {
    type V = [f32; LANES];

    const MANY_REGISTERS: bool = false;

    #[inline(never)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::V {
        *from
    }

    #[inline(always)]
    fn store(self, lanes: Self::V, to: &mut [f32; LANES]) {
        *to = lanes;
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::V {
        // `to_f32_const` and not `to_f32`: the latter asks the CPU for F16C on every call.
        let (pairs, _) = from.as_chunks::<2>();
        std::array::from_fn(|i| f16::from_le_bytes(pairs[i]).to_f32_const())
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::V {
        let (pairs, _) = from.as_chunks::<2>();
        std::array::from_fn(|i| bf16::from_le_bytes(pairs[i]).to_f32_const())
    }

    #[inline(always)]
    fn load_f32(self, from: &[u8; 4 * LANES]) -> Self::V {
        let (quads, _) = from.as_chunks::<4>();
        std::array::from_fn(|i| f32::from_le_bytes(quads[i]))
    }

    #[inline(always)]
    fn load_f16_each(self, from: [[u8; 2]; LANES]) -> Self::V {
        from.map(|pair| f16::from_le_bytes(pair).to_f32_const())
    }

    #[inline(always)]
    fn powers(self, exponents: [u8; LANES]) -> Self::V {
        exponents.map(|exponent| match exponent {
            0 | 1 => f32::from_bits(0x0020_0000 << exponent),
            _ => f32::from_bits((u32::from(exponent) - 1) << 23),
        })
    }

    #[inline(always)]
    fn six_bit_factors(self, blocks: [&[u8; 16]; 2]) -> [Self::V; 2] {
        let mut factors = [[0.0; LANES]; 2];
        for lane in 0..LANES {
            let (block, k) = (blocks[lane / 2 % 2], lane / 4 * 2 + lane % 2);
            let packed = &block[4..];
            let [scale, minimum] = if k < 4 {
                [packed[k] & 63, packed[k + 4] & 63]
            } else {
                let (low, high) = (packed[k + 4], [packed[k - 4], packed[k]]);
                [low & 15 | high[0] >> 6 << 4, low >> 4 | high[1] >> 6 << 4]
            };
            let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32_const();
            factors[0][lane] = half(0) * f32::from(scale);
            factors[1][lane] = half(2) * f32::from(minimum);
        }
        factors
    }

    #[inline(always)]
    fn unsigned(self, bytes: [u8; 64]) -> [Self::V; 4] {
        let (quarters, _) = bytes.as_chunks::<LANES>();
        std::array::from_fn(|q| quarters[q].map(f32::from))
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn sum(self, lanes: Self::V) -> f32 {
        sum_by_halving(lanes)
    }

    #[inline(always)]
    fn prefetch(self, _address: *const u8) {}
}
