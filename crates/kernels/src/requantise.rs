//! Weights of any encoding as Q4_0: rough copies, for whoever can do with them.
//!
//! A block of 32 numbers has a scale `d` and 4-bit codes `q`; a number is `d * (q - 8)`, so one end of the range reaches
//! further than the other, and the largest number is put there. Of some scales the one with the least squared error is taken.

use crate::{Compute, DType, MatrixView, gather_rows};
use half::f16;

/// Numbers and bytes of a block.
const NUMBERS: usize = 32;
const BYTES: usize = 18;

/// Codes that the largest number of a block is tried at: between them its error is traded for that of the others.
const REACHES: [f32; 5] = [-8.0, -8.6, -7.4, -9.2, -6.8];

/// Rows that a thread takes at a time.
const ROWS: usize = 16;

/// Writes `weights` as Q4_0 to `out`, on all threads; what there is of numbers that are not finite becomes zero.
///
/// # Panics
/// When a row is not a whole number of blocks of 32, or `out` is not exactly as long as the result.
pub fn requantise(c: &Compute, weights: MatrixView<'_>, out: &mut [u8]) {
    let (rows, columns) = (weights.row_count(), weights.cols());
    assert!(columns.is_multiple_of(NUMBERS), "rows of {columns} numbers are no whole blocks");
    let row_bytes = columns / NUMBERS * BYTES;
    assert_eq!(out.len(), rows * row_bytes, "requantise writes {} a row", DType::Q4_0);
    let parts = out.chunks_mut((ROWS * row_bytes).max(1)).zip((0..).step_by(ROWS));
    c.share(weights.byte_len(), parts, |(out, first): (&mut [u8], usize)| {
        let mut numbers = vec![0.0; columns];
        for (row, out) in (first as u32..).zip(out.chunks_exact_mut(row_bytes)) {
            gather_rows(c, weights, &[row], &mut numbers);
            let blocks = numbers.as_chunks::<NUMBERS>().0.iter();
            for (numbers, out) in blocks.zip(out.as_chunks_mut::<BYTES>().0) {
                *out = requantise_block(numbers);
            }
        }
    });
}

/// One block of Q4_0.
pub fn requantise_block(numbers: &[f32; NUMBERS]) -> [u8; BYTES] {
    let further = |a: f32, b: &f32| if b.abs() > a.abs() { *b } else { a };
    let largest = numbers.iter().fold(0.0, further);
    let mut best = (f32::INFINITY, f16::ZERO);
    if largest != 0.0 && largest.is_finite() {
        for reach in REACHES {
            let scale = f16::from_f32(largest / reach);
            let error = error(numbers, scale.to_f32());
            if error < best.0 {
                best = (error, scale);
            }
        }
    }
    let (scale, mut out) = (best.1, [0; BYTES]);
    out[..2].copy_from_slice(&scale.to_le_bytes());
    let inverse = 1.0 / scale.to_f32();
    let code =
        |number: f32| if (number * inverse).is_finite() { code(number, inverse) as u8 } else { 8 };
    let (low, high) = numbers.split_at(NUMBERS / 2);
    for ((out, &low), &high) in out[2..].iter_mut().zip(low).zip(high) {
        *out = code(low) | code(high) << 4;
    }
    out
}

/// The code of a number: the nearest. Adding and taking away what leaves no room for fractions rounds in two additions, which every
/// CPU does several at a time.
#[inline(always)]
fn code(number: f32, inverse: f32) -> f32 {
    const WHOLE: f32 = 12_582_912.0;
    ((number * inverse + 8.0).clamp(0.0, 15.0) + WHOLE) - WHOLE
}

/// The sum of squared errors with a scale.
#[inline(always)]
fn error(numbers: &[f32; NUMBERS], scale: f32) -> f32 {
    // Sums side by side, so that vectors of them can be added.
    const SUMS: usize = 8;
    let (inverse, mut sums) = (1.0 / scale, [0.0; SUMS]);
    for some in numbers.as_chunks::<SUMS>().0 {
        for (sum, &number) in sums.iter_mut().zip(some) {
            let off = number - scale * (code(number, inverse) - 8.0);
            *sum += off * off;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_nothing_and_of_what_is_no_number_are_zeros() {
        for number in [0.0, f32::NAN, f32::INFINITY] {
            let mut numbers = [0.0; NUMBERS];
            numbers[5] = number;
            let out = requantise_block(&numbers);
            assert_eq!(out[..2], [0, 0], "{number}");
        }
    }

    #[test]
    fn what_is_on_the_grid_stays_as_it_is() {
        let mut numbers = [0.0; NUMBERS];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = 0.25 * ((index as f32 * 7.0) % 16.0 - 8.0);
        }
        let out = requantise_block(&numbers);
        let scale = f16::from_le_bytes([out[0], out[1]]).to_f32();
        for (index, &number) in numbers.iter().enumerate() {
            let (byte, high) = (out[2 + index % 16], index >= 16);
            let code = if high { byte >> 4 } else { byte & 15 };
            assert_eq!(scale * (f32::from(code) - 8.0), number);
        }
    }
}
