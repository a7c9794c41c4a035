//! Products of rows of packed 4-bit codes with one vector, in AVX2, unpacked in registers.
//!
//! A row is two planes of two bits per weight, as `gate_copy/pack.rs` draws them. Sums of integers are exact, so the bits are
//! those of unpacking first.
#![expect(unsafe_code, reason = "loads of whole registers: see docs/UNSAFE.md")]

use super::{PackedInputs, avx2};
use flint_kernels::{Compute, Isa};
use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_cvtepu8_epi16, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srli_epi16,
};

/// Bytes per register.
const BYTES: usize = 32;

/// Weights per byte of a plane.
const PER_BYTE: usize = 4;

/// The longest row whose products surely fit 31 bits: each of the 4 x 8 sums gets a 32nd of them, of 15 x 2^14 at most.
const LONGEST: usize = 1 << 16;

/// Weights that a thread takes at a time: few enough that threads end together.
const SHARE: usize = 256 << 10;

const LINE: usize = 64;

/// Some rows of a matrix of packed codes.
pub(crate) struct Nibbles<'a> {
    /// Row after row.
    pub(crate) packed: &'a [u8],
    /// Which rows.
    pub(crate) rows: &'a [u32],
}

impl Nibbles<'_> {
    /// Whether rows of this length can be multiplied so.
    pub(crate) fn fit(isa: Isa, width: usize) -> bool {
        // Rows of other lengths end in padding that has no counterpart in the vector; very short ones fill no register.
        let long = (BYTES * PER_BYTE..=LONGEST).contains(&width);
        isa != Isa::Scalar && width.is_multiple_of(8) && long
    }

    /// Gives `each` the product of every row with the vector of `x`, which is one, and where it belongs.
    ///
    /// # Panics
    /// When rows of this length do not [`Nibbles::fit`], or one is not of the matrix.
    pub(crate) fn multiply(
        &self,
        compute: &Compute,
        x: &PackedInputs,
        out: &mut [f32],
        each: impl Fn(u32, i64) -> f32 + Sync,
    ) {
        let width = x.width;
        assert!(Nibbles::fit(compute.isa(), width) && x.count() == 1, "one vector that fits");
        // A code c stands for 2 c - 15.
        let offset = 15 * x.values.iter().map(|&x| i64::from(x)).sum::<i64>();
        let share = (SHARE / width).max(1);
        let shares = out.chunks_mut(share).zip(self.rows.chunks(share));
        compute.share(self.rows.len() * width / 2, shares, |(out, rows)| {
            for (index, (out, &row)) in out.iter_mut().zip(rows).enumerate() {
                let next = rows.get(index + 1).map_or(&[][..], |&next| self.row(next, width));
                // SAFETY: a `Compute` of such a set exists, and making one asks the CPU; AVX-512 comes with AVX2.
                let sum = unsafe { dot(self.row(row, width), &x.values, next) };
                *out = each(row, 2 * sum - offset);
            }
        });
    }

    fn row(&self, row: u32, width: usize) -> &[u8] {
        &self.packed[row as usize * (width / 2)..][..width / 2]
    }
}

/// The sum of code times number; meanwhile `next` is brought from memory.
#[target_feature(enable = "avx2")]
fn dot(row: &[u8], x: &[i16], next: &[u8]) -> i64 {
    let (low, high) = row.split_at(row.len() / 2);
    let quarters = x.chunks_exact(low.len());
    let quarters: [&[[i16; 16]]; PER_BYTE] = {
        let mut quarters = quarters.map(|quarter| quarter.as_chunks::<16>().0);
        std::array::from_fn(|_| quarters.next().unwrap_or_default())
    };
    let ((low, low_rest), (high, high_rest)) = (low.as_chunks(), high.as_chunks());
    let mut sums = [_mm256_setzero_si256(); PER_BYTE];
    for (at, (low, high)) in low.iter().zip(high).enumerate() {
        if let Some(line) = next.get(at * LINE..) {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        let codes = unpack(load_bytes(low), load_bytes(high));
        for ((sum, codes), x) in sums.iter_mut().zip(codes).zip(quarters) {
            let first = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes));
            let second = _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(codes));
            let first = _mm256_madd_epi16(first, avx2::load(&x[2 * at]));
            let second = _mm256_madd_epi16(second, avx2::load(&x[2 * at + 1]));
            *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(first, second));
        }
    }
    let rest = match low_rest.len() {
        0 => 0,
        count => rest_dot(low_rest, high_rest, x, row.len() / 2 - count),
    };
    sums.into_iter().map(|sum| avx2::total(sum)).sum::<i64>() + rest
}

/// The sum of code times number over the bytes of both planes from `first` on, which fill no register.
fn rest_dot(low: &[u8], high: &[u8], x: &[i16], first: usize) -> i64 {
    let quarters = x.chunks_exact(x.len() / PER_BYTE).enumerate();
    // Less than a register of products fits 31 bits.
    let quarter = |(k, x): (usize, &[i16])| -> i32 {
        let bits = |byte: u8| i32::from(byte >> (2 * k) & 3);
        let codes = low.iter().zip(high).map(|(&low, &high)| bits(low) | bits(high) << 2);
        codes.zip(&x[first..]).map(|(code, &x)| code * i32::from(x)).sum()
    };
    i64::from(quarters.map(quarter).sum::<i32>())
}

/// The codes of each quarter of the weights, from both planes.
#[target_feature(enable = "avx2")]
#[inline]
fn unpack(low: __m256i, high: __m256i) -> [__m256i; PER_BYTE] {
    let (two, four) = (_mm256_set1_epi8(0b0011), _mm256_set1_epi8(0b1100));
    // Shifts reach across the bytes of 16-bit lanes; the masks take away what came from the other byte.
    let put = |low: __m256i, high: __m256i| {
        _mm256_or_si256(_mm256_and_si256(low, two), _mm256_and_si256(high, four))
    };
    [
        put(low, _mm256_slli_epi16::<2>(high)),
        put(_mm256_srli_epi16::<2>(low), high),
        put(_mm256_srli_epi16::<4>(low), _mm256_srli_epi16::<2>(high)),
        put(_mm256_srli_epi16::<6>(low), _mm256_srli_epi16::<4>(high)),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_bytes(bytes: &[u8; BYTES]) -> __m256i {
    // SAFETY: the array has exactly the 32 bytes that are loaded, from any address.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_published_widths_are_multiplied_as_they_are() {
        for width in [128, 136, 2560, 4096, 4544] {
            assert!(Nibbles::fit(Isa::Avx2, width), "{width}");
        }
        for width in [0, 64, 132, 4545, (1 << 16) + 8] {
            assert!(!Nibbles::fit(Isa::Avx2, width), "{width}");
        }
        assert!(!Nibbles::fit(Isa::Scalar, 4096));
    }
}
