//! Integer products in two AVX2 registers.
#![expect(unsafe_code, reason = "AVX2 intrinsics: see docs/UNSAFE.md")]

use super::Avx2;
use crate::lanes::{IntegerKernel, LANES, Products};
use std::arch::x86_64::*;

impl Products for Avx2 {
    type L = Avx2;
    type I = [__m256i; 2];

    #[inline]
    fn enter_products<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn compiled<K: IntegerKernel>(products: Avx2, kernel: K) -> K::Output {
            kernel.run(products)
        }
        // SAFETY: `self` proves that the CPU has the features of `compiled`.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn lanes(self) -> Avx2 {
        self
    }

    #[inline(always)]
    fn zero(self) -> Self::I {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr().cast::<__m256i>();
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }

    #[inline(always)]
    fn dot8(self, mut sum: Self::I, codes: Self::I, x: &[i8; 64], wide: bool) -> Self::I {
        let x = x.as_ptr().cast::<__m256i>();
        for half in 0..2 {
            // SAFETY: `half` is 0 or 1 and the array 64 readable bytes; `self` proves that the CPU has AVX2.
            unsafe {
                let x = _mm256_loadu_si256(x.add(half));
                let products = if wide {
                    // Two products of 16 bits can exceed 16 bits together, so each is widened alone.
                    let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(x));
                    split_products(self, codes[half], even, _mm256_srai_epi16::<8>(x))
                } else {
                    // At most 2 * 128 * 127, which fits.
                    let pairs = _mm256_maddubs_epi16(codes[half], x);
                    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
                };
                sum[half] = _mm256_add_epi32(sum[half], products);
            }
        }
        sum
    }

    #[inline(always)]
    fn dot16(self, mut sum: Self::I, codes: Self::I, x: &[[i16; 32]; 2]) -> Self::I {
        let (even, odd) = (x[0].as_ptr().cast::<__m256i>(), x[1].as_ptr().cast::<__m256i>());
        for half in 0..2 {
            // SAFETY: `half` is 0 or 1 and the arrays 64 readable bytes each; `self` proves that the CPU has AVX2.
            unsafe {
                let even = _mm256_loadu_si256(even.add(half));
                let odd = _mm256_loadu_si256(odd.add(half));
                let products = split_products(self, codes[half], even, odd);
                sum[half] = _mm256_add_epi32(sum[half], products);
            }
        }
        sum
    }

    #[inline(always)]
    fn gather(self, groups: [Self::I; 4]) -> Self::I {
        let [a, b, c, d] = groups;
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            [
                _mm256_hadd_epi32(_mm256_hadd_epi32(a[0], b[0]), _mm256_hadd_epi32(c[0], d[0])),
                _mm256_hadd_epi32(_mm256_hadd_epi32(a[1], b[1]), _mm256_hadd_epi32(c[1], d[1])),
            ]
        }
    }

    #[inline(always)]
    fn less(self, a: Self::I, b: Self::I, shift: u32) -> Self::I {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let shift = _mm_cvtsi32_si128(shift as i32);
            [
                _mm256_sub_epi32(a[0], _mm256_sll_epi32(b[0], shift)),
                _mm256_sub_epi32(a[1], _mm256_sll_epi32(b[1], shift)),
            ]
        }
    }

    #[inline(always)]
    fn to_f32(self, sums: Self::I) -> [__m256; 2] {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])] }
    }
}

/// Products of bytes at even places with `even` and of those at odd places with `odd`, four to a sum.
#[inline(always)]
fn split_products(_proof: Avx2, codes: __m256i, even: __m256i, odd: __m256i) -> __m256i {
    // SAFETY: `_proof` proves that the CPU has AVX2.
    unsafe {
        let low = _mm256_and_si256(codes, _mm256_set1_epi16(0xff));
        let high = _mm256_srli_epi16::<8>(codes);
        _mm256_add_epi32(_mm256_madd_epi16(low, even), _mm256_madd_epi16(high, odd))
    }
}
