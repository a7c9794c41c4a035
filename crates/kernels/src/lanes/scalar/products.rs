//! Integer products in plain Rust: the meaning of the others.

use super::Scalar;
use crate::lanes::{IntegerKernel, LANES, Products};

impl Products for Scalar {
    type L = Scalar;
    type I = [i32; LANES];

    #[inline(never)]
    fn enter_products<K: IntegerKernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn lanes(self) -> Scalar {
        self
    }

    #[inline(always)]
    fn zero(self) -> Self::I {
        [0; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> Self::I {
        *from
    }

    #[inline(always)]
    fn store(self, integers: Self::I, to: &mut [i32; LANES]) {
        *to = integers;
    }

    #[inline(always)]
    fn magnitude(self, a: [f32; LANES], b: [f32; LANES]) -> f32 {
        // Magnitudes are ordered as their bits are.
        let bits = a.iter().chain(&b).map(|x| x.to_bits() & 0x7fff_ffff);
        f32::from_bits(bits.fold(0, u32::max))
    }

    #[inline(always)]
    fn round(self, numbers: [f32; LANES]) -> Self::I {
        numbers.map(|number| number.round_ties_even() as i32)
    }

    #[inline(always)]
    fn store8(self, integers: Self::I, to: &mut [i8; LANES]) {
        *to = integers.map(|integer| integer as i8);
    }

    #[inline(always)]
    fn store16(self, integers: Self::I, even: &mut [i16; 8], odd: &mut [i16; 8]) {
        *even = std::array::from_fn(|i| integers[2 * i] as i16);
        *odd = std::array::from_fn(|i| integers[2 * i + 1] as i16);
    }

    #[inline(always)]
    fn dot8(self, mut sum: Self::I, codes: [u8; 64], x: &[i8; 64], _wide: bool) -> Self::I {
        for (i, (&code, &x)) in codes.iter().zip(x).enumerate() {
            sum[i / 4] += i32::from(code) * i32::from(x);
        }
        sum
    }

    #[inline(always)]
    fn dot16(self, mut sum: Self::I, codes: [u8; 64], x: &[[i16; 32]; 2]) -> Self::I {
        for (i, &code) in codes.iter().enumerate() {
            sum[i / 4] += i32::from(code) * i32::from(x[i % 2][i / 2]);
        }
        sum
    }

    #[inline(always)]
    fn gather(self, groups: [Self::I; 4]) -> Self::I {
        std::array::from_fn(|i| groups[i % 4][i / 4 * 4..][..4].iter().sum())
    }

    #[inline(always)]
    fn less(self, a: Self::I, b: Self::I, shift: u32) -> Self::I {
        std::array::from_fn(|i| a[i] - (b[i] << shift))
    }

    #[inline(always)]
    fn to_f32(self, sums: Self::I) -> [f32; LANES] {
        sums.map(|sum| sum as f32)
    }
}
