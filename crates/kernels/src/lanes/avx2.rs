//! The lanes as two AVX2 registers: lanes 0 to 7, and 8 to 15.
#![expect(unsafe_code, reason = "AVX2 intrinsics: see docs/UNSAFE.md")]

mod bytes;
mod products;

use super::{Kernel, LANES, Lanes};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2, FMA and F16C: only `detect` makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2 {
    _proof: (),
}

impl Avx2 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Avx2> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        all.then_some(Avx2 { _proof: () })
    }
}

impl Lanes for Avx2 {
    type V = [__m256; 2];

    const MANY_REGISTERS: bool = false;

    #[inline]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        // Kernels within kernels stay functions of their own.
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn compiled<K: Kernel>(lanes: Avx2, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` proves that the CPU has the features of `compiled`.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [__m256; 2] {
        let from = from.as_ptr();
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    fn store(self, lanes: [__m256; 2], to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            _mm256_storeu_ps(to, lanes[0]);
            _mm256_storeu_ps(to.add(8), lanes[1]);
        }
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> [__m256; 2] {
        let from = from.as_ptr().cast::<__m128i>();
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has F16C.
        unsafe {
            [_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from.add(1)))]
        }
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> [__m256; 2] {
        let from = from.as_ptr().cast::<__m128i>();
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(from));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(1)));
            let (low, high) = (_mm256_slli_epi32::<16>(low), _mm256_slli_epi32::<16>(high));
            [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
        }
    }

    #[inline(always)]
    fn load_f32(self, from: &[u8; 4 * LANES]) -> [__m256; 2] {
        let from = from.as_ptr().cast::<f32>();
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    fn load_f16_each(self, from: [[u8; 2]; LANES]) -> [__m256; 2] {
        let h = from.map(i16::from_le_bytes);
        // SAFETY: `self` proves that the CPU has F16C.
        unsafe {
            let low = _mm_setr_epi16(h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]);
            let high = _mm_setr_epi16(h[8], h[9], h[10], h[11], h[12], h[13], h[14], h[15]);
            [_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)]
        }
    }

    #[inline(always)]
    fn powers(self, exponents: [u8; LANES]) -> [__m256; 2] {
        let mut powers = [self.splat(0.0)[0]; 2];
        for (to, half) in powers.iter_mut().zip(exponents.as_chunks::<8>().0) {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe {
                let one = _mm256_set1_epi32(1);
                let half = _mm_cvtsi64_si128(i64::from_le_bytes(*half));
                let exponents = _mm256_cvtepu8_epi32(half);
                let normal = _mm256_slli_epi32::<23>(_mm256_sub_epi32(exponents, one));
                let below = _mm256_sllv_epi32(_mm256_set1_epi32(0x0020_0000), exponents);
                let is_normal = _mm256_cmpgt_epi32(exponents, one);
                let bits = _mm256_blendv_epi8(below, normal, is_normal);
                *to = _mm256_castsi256_ps(bits);
            }
        }
        powers
    }

    #[inline(always)]
    fn six_bit_factors(self, blocks: [&[u8; 16]; 2]) -> [[__m256; 2]; 2] {
        let SixBits { bytes, halves } = six_bits(self, blocks);
        let mut factors = [[self.splat(0.0)[0]; 2]; 2];
        for (to, bytes) in factors.iter_mut().zip(bytes) {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe {
                let upper = _mm_unpackhi_epi64(bytes, bytes);
                to[0] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
                to[1] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(upper));
            }
        }
        // SAFETY: `self` proves that the CPU has AVX2.
        let (d, dmin) = unsafe {
            let halves = _mm256_set_m128(halves, halves);
            (_mm256_permute_ps::<0b10_10_00_00>(halves), _mm256_permute_ps::<0b11_11_01_01>(halves))
        };
        [self.mul([d; 2], factors[0]), self.mul([dmin; 2], factors[1])]
    }

    #[inline(always)]
    fn unsigned(self, bytes: [__m256i; 2]) -> [[__m256; 2]; 4] {
        let mut quarters = [[self.splat(0.0)[0]; 2]; 4];
        for (pair, half) in quarters.chunks_exact_mut(2).zip(bytes) {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe {
                let low = _mm256_castsi256_si128(half);
                let high = _mm256_extracti128_si256::<1>(half);
                for (to, quarter) in pair.iter_mut().zip([low, high]) {
                    let upper = _mm_unpackhi_epi64(quarter, quarter);
                    to[0] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(quarter));
                    to[1] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(upper));
                }
            }
        }
        quarters
    }

    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` proves that the CPU has FMA.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    fn sum(self, lanes: [__m256; 2]) -> f32 {
        // SAFETY: `self` proves that the CPU has AVX2 and below.
        unsafe {
            let eight = _mm256_add_ps(lanes[0], lanes[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        // SAFETY: a prefetch is a hint: it reads nothing and faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
}

/// What two blocks of Q4_K or Q5_K begin with.
pub(super) struct SixBits {
    /// Scales and minima in the order of the lanes.
    pub(super) bytes: [__m128i; 2],
    /// Scale and minimum of one block, then of the other.
    pub(super) halves: __m128,
}

/// Takes six-bit numbers apart: of the first four of a kind all six bits are in a byte; of the others four bits are
/// in the last four bytes and two in the high bits of the first eight.
#[inline(always)]
pub(super) fn six_bits(_proof: Avx2, blocks: [&[u8; 16]; 2]) -> SixBits {
    // SAFETY: the arrays are 16 readable bytes; `_proof` proves that the CPU has AVX2 and F16C.
    unsafe {
        let first = _mm_loadu_si128(blocks[0].as_ptr().cast());
        let second = _mm_loadu_si128(blocks[1].as_ptr().cast());
        let both = _mm256_set_m128i(second, first);
        // Scales 0 to 3 and 4 to 7, then minima 0 to 3 and 4 to 7.
        let low = _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
        let low = _mm256_shuffle_epi8(both, _mm256_broadcastsi128_si256(low));
        let low = _mm256_srlv_epi32(low, _mm256_setr_epi32(0, 0, 0, 4, 0, 0, 0, 4));
        let low = _mm256_and_si256(low, _mm256_set1_epi64x(0x0f0f_0f0f_3f3f_3f3f));
        let high = _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, 8, 9, 10, 11);
        let high = _mm256_shuffle_epi8(both, _mm256_broadcastsi128_si256(high));
        let high = _mm256_and_si256(_mm256_srli_epi16::<2>(high), _mm256_set1_epi8(0x30));
        let all = _mm256_or_si256(low, high);
        let (of_first, of_second) =
            (_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
        SixBits {
            bytes: [
                _mm_unpacklo_epi16(of_first, of_second),
                _mm_unpackhi_epi16(of_first, of_second),
            ],
            halves: _mm_cvtph_ps(_mm_unpacklo_epi32(first, second)),
        }
    }
}
