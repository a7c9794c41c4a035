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
    fn store(self, integers: Self::I, to: &mut [i32; LANES]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            _mm256_storeu_si256(to, integers[0]);
            _mm256_storeu_si256(to.add(1), integers[1]);
        }
    }

    #[inline(always)]
    fn magnitude(self, a: [__m256; 2], b: [__m256; 2]) -> f32 {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            // Magnitudes are ordered as their bits are.
            let mask = _mm256_set1_epi32(0x7fff_ffff);
            let mut most = _mm256_setzero_si256();
            for numbers in [a[0], a[1], b[0], b[1]] {
                let bits = _mm256_and_si256(_mm256_castps_si256(numbers), mask);
                most = _mm256_max_epi32(most, bits);
            }
            let four =
                _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256::<1>(most));
            let two = _mm_max_epi32(four, _mm_shuffle_epi32::<0b1110>(four));
            let one = _mm_max_epi32(two, _mm_shuffle_epi32::<0b01>(two));
            f32::from_bits(_mm_cvtsi128_si32(one) as u32)
        }
    }

    #[inline(always)]
    fn round(self, numbers: [__m256; 2]) -> Self::I {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_cvtps_epi32(numbers[0]), _mm256_cvtps_epi32(numbers[1])] }
    }

    #[inline(always)]
    fn store8(self, integers: Self::I, to: &mut [i8; LANES]) {
        let words = in_words(self, integers);
        // SAFETY: the array is 16 writable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_packs_epi16(low, high));
        }
    }

    #[inline(always)]
    fn store16(self, integers: Self::I, even: &mut [i16; 8], odd: &mut [i16; 8]) {
        let words = in_words(self, integers);
        // SAFETY: the arrays are 16 writable bytes each; `self` proves that the CPU has AVX2.
        unsafe {
            let apart = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
            let apart = _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(apart));
            let apart = _mm256_permute4x64_epi64::<0b11_01_10_00>(apart);
            _mm_storeu_si128(even.as_mut_ptr().cast(), _mm256_castsi256_si128(apart));
            _mm_storeu_si128(odd.as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(apart));
        }
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

/// Sixteen integers that fit 16 bits, in their order.
#[inline(always)]
fn in_words(_proof: Avx2, integers: [__m256i; 2]) -> __m256i {
    // SAFETY: `_proof` proves that the CPU has AVX2.
    unsafe {
        let mixed = _mm256_packs_epi32(integers[0], integers[1]);
        _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed)
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
