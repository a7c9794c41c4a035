//! Sixty-four bytes as two AVX2 registers: quarters 0 and 1, and 2 and 3.
#![expect(unsafe_code, reason = "AVX2 intrinsics: see docs/UNSAFE.md")]

use super::Avx2;
use crate::lanes::Bytes;
use std::arch::x86_64::*;

impl Bytes for Avx2 {
    type B = [__m256i; 2];

    #[inline(always)]
    fn bytes(self, from: &[u8; 64]) -> Self::B {
        let from = from.as_ptr().cast::<__m256i>();
        // SAFETY: the array is 64 readable bytes; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }

    #[inline(always)]
    fn store_bytes(self, bytes: Self::B, to: &mut [u8; 64]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        // SAFETY: the array is 64 writable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            _mm256_storeu_si256(to, bytes[0]);
            _mm256_storeu_si256(to.add(1), bytes[1]);
        }
    }

    #[inline(always)]
    fn quarters(self, from: [&[u8; 16]; 4]) -> Self::B {
        let [a, b, c, d] = from.map(|quarter| quarter.as_ptr().cast::<__m128i>());
        // SAFETY: the arrays are 16 readable bytes each; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu2_m128i(b, a), _mm256_loadu2_m128i(d, c)] }
    }

    #[inline(always)]
    fn twice(self, half: &[u8; 32]) -> Self::B {
        // SAFETY: the array is 32 readable bytes; `self` proves that the CPU has AVX2.
        unsafe { [_mm256_loadu_si256(half.as_ptr().cast()); 2] }
    }

    #[inline(always)]
    fn deal(self, from: &[u8; 128]) -> [Self::B; 2] {
        let (quarters, _) = from.as_chunks::<16>();
        let even = [&quarters[0], &quarters[2], &quarters[4], &quarters[6]];
        let odd = [&quarters[1], &quarters[3], &quarters[5], &quarters[7]];
        [self.quarters(even), self.quarters(odd)]
    }

    #[inline(always)]
    fn right<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let (mask, by) = (_mm256_set1_epi8(mask as i8), _mm_cvtsi32_si128(N as i32));
            [
                _mm256_and_si256(_mm256_srl_epi16(bytes[0], by), mask),
                _mm256_and_si256(_mm256_srl_epi16(bytes[1], by), mask),
            ]
        }
    }

    #[inline(always)]
    fn left<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let (mask, by) = (_mm256_set1_epi8(mask as i8), _mm_cvtsi32_si128(N as i32));
            [
                _mm256_and_si256(_mm256_sll_epi16(bytes[0], by), mask),
                _mm256_and_si256(_mm256_sll_epi16(bytes[1], by), mask),
            ]
        }
    }

    #[inline(always)]
    fn right_each(self, bytes: Self::B, by: [u32; 4], mask: u8) -> Self::B {
        let [a, b, c, d] = by.map(|by| by as i32);
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let mask = _mm256_set1_epi8(mask as i8);
            let first = _mm256_setr_epi32(a, a, a, a, b, b, b, b);
            let second = _mm256_setr_epi32(c, c, c, c, d, d, d, d);
            [
                _mm256_and_si256(_mm256_srlv_epi32(bytes[0], first), mask),
                _mm256_and_si256(_mm256_srlv_epi32(bytes[1], second), mask),
            ]
        }
    }

    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])] }
    }

    #[inline(always)]
    fn flip(self, bytes: Self::B, mask: u8) -> Self::B {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let mask = _mm256_set1_epi8(mask as i8);
            [_mm256_xor_si256(bytes[0], mask), _mm256_xor_si256(bytes[1], mask)]
        }
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16], bytes: Self::B) -> Self::B {
        // SAFETY: the table is 16 readable bytes; `self` proves that the CPU has AVX2.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            [_mm256_shuffle_epi8(table, bytes[0]), _mm256_shuffle_epi8(table, bytes[1])]
        }
    }

    #[inline(always)]
    fn spread(self, bits: [u16; 4], value: u8) -> Self::B {
        let [a, b, c, d] = bits.map(u32::from);
        let (first, second) = ((a | b << 16) as i32, (c | d << 16) as i32);
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            // Byte i of a register looks at byte i / 8 of its 32 bits, and there at bit i mod 8.
            let bytes = _mm256_setr_epi64x(
                0,
                0x0101_0101_0101_0101,
                0x0202_0202_0202_0202,
                0x0303_0303_0303_0303,
            );
            let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
            let value = _mm256_set1_epi8(value as i8);
            let (first, second) = (_mm256_set1_epi32(first), _mm256_set1_epi32(second));
            let first = _mm256_and_si256(_mm256_shuffle_epi8(first, bytes), bit);
            let second = _mm256_and_si256(_mm256_shuffle_epi8(second, bytes), bit);
            [
                _mm256_and_si256(_mm256_cmpeq_epi8(first, bit), value),
                _mm256_and_si256(_mm256_cmpeq_epi8(second, bit), value),
            ]
        }
    }
}
