//! Sixty-four bytes as one AVX-512 register.
#![expect(unsafe_code, reason = "AVX-512 intrinsics: see docs/UNSAFE.md")]

use super::Avx512;
use crate::lanes::Bytes;
use std::arch::x86_64::*;

impl Bytes for Avx512 {
    type B = __m512i;

    #[inline(always)]
    fn bytes(self, from: &[u8; 64]) -> __m512i {
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store_bytes(self, bytes: __m512i, to: &mut [u8; 64]) {
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), bytes) }
    }

    #[inline(always)]
    fn quarters(self, from: [&[u8; 16]; 4]) -> __m512i {
        let [a, b, c, d] = from.map(|quarter| quarter.as_ptr().cast::<__m128i>());
        // SAFETY: the arrays are 16 readable bytes each; `self` proves that the CPU has AVX-512F and AVX2.
        unsafe {
            let low = _mm512_castsi256_si512(_mm256_loadu2_m128i(b, a));
            _mm512_inserti64x4::<1>(low, _mm256_loadu2_m128i(d, c))
        }
    }

    #[inline(always)]
    fn twice(self, half: &[u8; 32]) -> __m512i {
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_broadcast_i64x4(_mm256_loadu_si256(half.as_ptr().cast())) }
    }

    #[inline(always)]
    fn deal(self, from: &[u8; 128]) -> [__m512i; 2] {
        let from = from.as_ptr().cast::<__m512i>();
        // SAFETY: the array is 128 readable bytes; `self` proves that the CPU has AVX-512F.
        unsafe {
            let first = _mm512_loadu_si512(from);
            let second = _mm512_loadu_si512(from.add(1));
            [
                _mm512_shuffle_i32x4::<0b10_00_10_00>(first, second),
                _mm512_shuffle_i32x4::<0b11_01_11_01>(first, second),
            ]
        }
    }

    #[inline(always)]
    fn right<const N: u32>(self, bytes: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512BW.
        unsafe {
            let shifted = _mm512_srli_epi16::<N>(bytes);
            _mm512_and_si512(shifted, _mm512_set1_epi8(mask as i8))
        }
    }

    #[inline(always)]
    fn left<const N: u32>(self, bytes: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512BW.
        unsafe {
            let shifted = _mm512_slli_epi16::<N>(bytes);
            _mm512_and_si512(shifted, _mm512_set1_epi8(mask as i8))
        }
    }

    #[inline(always)]
    fn right_each(self, bytes: __m512i, by: [u32; 4], mask: u8) -> __m512i {
        let [a, b, c, d] = by.map(|by| by as i32);
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe {
            let by = _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
            _mm512_and_si512(_mm512_srlv_epi32(bytes, by), _mm512_set1_epi8(mask as i8))
        }
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    fn flip(self, bytes: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi8(mask as i8)) }
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16], bytes: __m512i) -> __m512i {
        // SAFETY: the table is 16 readable bytes; `self` proves that the CPU has AVX-512BW.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, bytes)
        }
    }

    #[inline(always)]
    fn spread(self, bits: [u16; 4], value: u8) -> __m512i {
        let mut mask = 0;
        for (quarter, bits) in bits.into_iter().enumerate() {
            mask |= u64::from(bits) << (16 * quarter);
        }
        // SAFETY: `self` proves that the CPU has AVX-512BW.
        unsafe { _mm512_maskz_set1_epi8(mask, value as i8) }
    }
}
