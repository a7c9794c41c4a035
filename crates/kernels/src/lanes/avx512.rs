//! The lanes as one AVX-512 register.
#![expect(unsafe_code, reason = "AVX-512 intrinsics: see docs/UNSAFE.md")]

mod bytes;
mod products;

pub(crate) use products::Vnni;

use super::avx2::{Avx2, SixBits, six_bits};
use super::{Kernel, LANES, Lanes};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, BW, VL and DQ beside what [`Avx2`] proves: only `detect` makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512 {
    below: Avx2,
}

impl Avx512 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Avx512> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq");
        let below = Avx2::detect()?;
        all.then_some(Avx512 { below })
    }
}

impl Lanes for Avx512 {
    type V = __m512;

    const MANY_REGISTERS: bool = true;

    #[inline]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        // Kernels within kernels stay functions of their own.
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
        fn compiled<K: Kernel>(lanes: Avx512, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` proves that the CPU has the features of `compiled`.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, lanes: __m512, to: &mut [f32; LANES]) {
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), lanes) }
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> __m512 {
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> __m512 {
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    fn load_f32(self, from: &[u8; 4 * LANES]) -> __m512 {
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_loadu_ps(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_f16_each(self, from: [[u8; 2]; LANES]) -> __m512 {
        let h = from.map(i16::from_le_bytes);
        // SAFETY: `self` proves that the CPU has AVX-512F and below.
        unsafe {
            let low = _mm_setr_epi16(h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]);
            let high = _mm_setr_epi16(h[8], h[9], h[10], h[11], h[12], h[13], h[14], h[15]);
            _mm512_cvtph_ps(_mm256_set_m128i(high, low))
        }
    }

    #[inline(always)]
    fn powers(self, exponents: [u8; LANES]) -> __m512 {
        // Integers, not the array in memory: bytes that were just stored one by one are slow to load together.
        let exponents = u128::from_le_bytes(exponents);
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let one = _mm512_set1_epi32(1);
            let exponents = _mm_set_epi64x((exponents >> 64) as i64, exponents as i64);
            let exponents = _mm512_cvtepu8_epi32(exponents);
            let normal = _mm512_slli_epi32::<23>(_mm512_sub_epi32(exponents, one));
            let below = _mm512_sllv_epi32(_mm512_set1_epi32(0x0020_0000), exponents);
            let is_normal = _mm512_cmpgt_epi32_mask(exponents, one);
            _mm512_castsi512_ps(_mm512_mask_mov_epi32(below, is_normal, normal))
        }
    }

    #[inline(always)]
    fn six_bit_factors(self, blocks: [&[u8; 16]; 2]) -> [__m512; 2] {
        let SixBits { bytes: [scales, minima], halves } = six_bits(self.below, blocks);
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let halves = _mm512_broadcast_f32x4(halves);
            let d = _mm512_permute_ps::<0b10_10_00_00>(halves);
            let dmin = _mm512_permute_ps::<0b11_11_01_01>(halves);
            let scales = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(scales));
            let minima = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(minima));
            [_mm512_mul_ps(d, scales), _mm512_mul_ps(dmin, minima)]
        }
    }

    #[inline(always)]
    fn unsigned(self, bytes: __m512i) -> [__m512; 4] {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let (a, b) = (_mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32::<1>(bytes));
            let c = _mm512_extracti32x4_epi32::<2>(bytes);
            let d = _mm512_extracti32x4_epi32::<3>(bytes);
            [
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(a)),
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(b)),
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(c)),
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(d)),
            ]
        }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn sum(self, lanes: __m512) -> f32 {
        // SAFETY: `self` proves that the CPU has AVX-512DQ and below.
        unsafe {
            let eight =
                _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps::<1>(lanes));
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
