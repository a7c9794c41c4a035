//! Integer products in one AVX-512 register, by the instructions for neural networks.
#![expect(unsafe_code, reason = "AVX-512 intrinsics: see docs/UNSAFE.md")]

use super::Avx512;
use crate::lanes::{IntegerKernel, LANES, Products};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 VNNI beside what [`Avx512`] proves: only `detect` makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vnni {
    lanes: Avx512,
}

impl Vnni {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Vnni> {
        let lanes = Avx512::detect()?;
        is_x86_feature_detected!("avx512vnni").then_some(Vnni { lanes })
    }
}

impl Products for Vnni {
    type L = Avx512;
    type I = __m512i;

    #[inline]
    fn enter_products<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
        fn compiled<K: IntegerKernel>(products: Vnni, kernel: K) -> K::Output {
            kernel.run(products)
        }
        // SAFETY: `self` proves that the CPU has the features of `compiled`.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn lanes(self) -> Avx512 {
        self.lanes
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> __m512i {
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, integers: __m512i, to: &mut [i32; LANES]) {
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), integers) }
    }

    #[inline(always)]
    fn magnitude(self, a: __m512, b: __m512) -> f32 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            // Magnitudes are ordered as their bits are.
            let mask = _mm512_set1_epi32(0x7fff_ffff);
            let a = _mm512_and_si512(_mm512_castps_si512(a), mask);
            let b = _mm512_and_si512(_mm512_castps_si512(b), mask);
            f32::from_bits(_mm512_reduce_max_epi32(_mm512_max_epi32(a, b)) as u32)
        }
    }

    #[inline(always)]
    fn round(self, numbers: __m512) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_cvtps_epi32(numbers) }
    }

    #[inline(always)]
    fn store8(self, integers: __m512i, to: &mut [i8; LANES]) {
        // SAFETY: the array is 16 writable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(integers)) }
    }

    #[inline(always)]
    fn store16(self, integers: __m512i, even: &mut [i16; 8], odd: &mut [i16; 8]) {
        // SAFETY: the arrays are 16 writable bytes each; `self` proves that the CPU has AVX-512F.
        unsafe {
            let shifted = _mm512_srli_epi64::<32>(integers);
            _mm_storeu_si128(even.as_mut_ptr().cast(), _mm512_cvtepi64_epi16(integers));
            _mm_storeu_si128(odd.as_mut_ptr().cast(), _mm512_cvtepi64_epi16(shifted));
        }
    }

    #[inline(always)]
    fn dot8(self, sum: __m512i, codes: __m512i, x: &[i8; 64], _wide: bool) -> __m512i {
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX-512 VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, codes, _mm512_loadu_si512(x.as_ptr().cast())) }
    }

    #[inline(always)]
    fn dot16(self, sum: __m512i, codes: __m512i, x: &[[i16; 32]; 2]) -> __m512i {
        // SAFETY: the arrays are 64 readable bytes each; `self` proves that the CPU has AVX-512 VNNI and BW.
        unsafe {
            let low = _mm512_and_si512(codes, _mm512_set1_epi16(0xff));
            let high = _mm512_srli_epi16::<8>(codes);
            let sum = _mm512_dpwssd_epi32(sum, low, _mm512_loadu_si512(x[0].as_ptr().cast()));
            _mm512_dpwssd_epi32(sum, high, _mm512_loadu_si512(x[1].as_ptr().cast()))
        }
    }

    #[inline(always)]
    fn gather(self, groups: [__m512i; 4]) -> __m512i {
        let [a, b, c, d] = groups;
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
        }
    }

    #[inline(always)]
    fn less(self, a: __m512i, b: __m512i, shift: u32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let shifted = _mm512_sll_epi32(b, _mm_cvtsi32_si128(shift as i32));
            _mm512_sub_epi32(a, shifted)
        }
    }

    #[inline(always)]
    fn to_f32(self, sums: __m512i) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_cvtepi32_ps(sums) }
    }
}
