//! Products of four rows of integers with one vector, in AVX2.
#![expect(unsafe_code, reason = "loads of whole registers: see docs/UNSAFE.md")]

use super::{BLOCK, ROWS};
use std::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128,
    _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256,
    _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_setzero_si256,
    _mm256_storeu_si256,
};

/// Integers per register.
const LANES: usize = 16;

/// Products that are summed before they are widened: each of the 8 sums of a register gets a [`BLOCK`] of them.
const SPAN: usize = 8 * BLOCK;

/// How far ahead of a row memory is asked for, in bytes: a few rows, as stored rows follow each other in memory. Unpacked
/// ones lie in caches, where asking brings nothing.
const AHEAD: usize = 2048;

const LINE: usize = 64;

/// The exact dot products of `rows`, each as long as `vector`, with it.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dot(rows: [&[i8]; ROWS], vector: &[i16]) -> [i64; ROWS] {
    rows.iter().for_each(|row| ask_for_what_follows(row));
    let mut sums = [0; ROWS];
    for start in (0..vector.len()).step_by(SPAN) {
        let span = start..vector.len().min(start + SPAN);
        let (whole, rest) = vector[span.clone()].as_chunks::<LANES>();
        let parts = rows.map(|row| row[span.clone()].as_chunks::<LANES>());
        let mut registers = [_mm256_setzero_si256(); ROWS];
        for (index, x) in whole.iter().enumerate() {
            let x = load(x);
            for (register, (row, _)) in registers.iter_mut().zip(&parts) {
                let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(load_bytes(&row[index])), x);
                *register = _mm256_add_epi32(*register, products);
            }
        }
        // Few products fit 31 bits together, which saves widening.
        let totals = if span.len() <= BLOCK {
            totals(registers)
        } else {
            registers.map(|register| total(register))
        };
        for ((sum, total), (_, row)) in sums.iter_mut().zip(totals).zip(parts) {
            let rest = row.iter().zip(rest).map(|(&w, &x)| i64::from(w) * i64::from(x));
            *sum += total + rest.sum::<i64>();
        }
    }
    sums
}

#[target_feature(enable = "avx2")]
#[inline]
fn ask_for_what_follows(row: &[i8]) {
    let ahead = row.as_ptr().wrapping_add(AHEAD);
    for line in (0..row.len()).step_by(LINE) {
        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line));
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load(x: &[i16; LANES]) -> __m256i {
    // SAFETY: the array has exactly the 32 bytes that are loaded, from any address.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_bytes(w: &[i8; LANES]) -> __m128i {
    // SAFETY: the array has exactly the 16 bytes that are loaded, from any address.
    unsafe { _mm_loadu_si128(w.as_ptr().cast()) }
}

/// The sum of the lanes of each register, where all of them together fit 31 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn totals([a, b, c, d]: [__m256i; ROWS]) -> [i64; ROWS] {
    let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let whole =
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
    let mut totals = [0i32; ROWS];
    // SAFETY: the array has exactly the 16 bytes that are stored, to any address.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), whole) };
    totals.map(i64::from)
}

/// The sum of the lanes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn total(register: __m256i) -> i64 {
    let mut lanes = [0i32; 8];
    // SAFETY: the array has exactly the 32 bytes that are stored, to any address.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), register) };
    lanes.into_iter().map(i64::from).sum()
}
