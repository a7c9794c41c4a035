//! Quantised weights: their meaning, and products that have the bits of the same weights in f32.

use crate::blocks::{QUANTISED, decode, halves, stored};
use crate::twin::{bits, contract_dot, every, numbers, scalar};
use flint_kernels::{Compute, DType, MatrixView, gather_rows, matmul};
use proptest::prelude::*;

/// A block of bytes (37 i + 11) mod 256 with scales of 1/16 and minima of 1/32, and what it means: the first four
/// numbers, two in the middle, the last two, the sum, and the sum of each times its place from 1 on.
const VECTORS: [(DType, [f32; 8], f64, f64); 13] = [
    (
        DType::Q4_0,
        [-0.1875, 0.125, 0.4375, -0.25, -0.1875, -0.0625, -0.1875, 0.0],
        -1.3125,
        -32.375,
    ),
    (
        DType::Q4_1,
        [0.96875, 0.28125, 0.59375, 0.90625, 0.59375, 0.78125, 0.65625, 0.78125],
        16.3125,
        265.4375,
    ),
    (DType::Q5_0, [0.5625, -0.125, 0.1875, -0.5, 0.875, 0.0, 0.875, 0.0625], 0.9375, 7.0),
    (
        DType::Q5_1,
        [1.21875, 1.53125, 1.84375, 1.15625, 1.21875, 0.34375, 0.21875, 0.34375],
        32.5625,
        510.3125,
    ),
    (DType::Q8_0, [5.3125, 7.625, -6.0625, -3.75, -5.6875, -3.375, -5.3125, -3.0], -11.0, -505.0),
    (
        DType::Q2K,
        [2.0625, 0.0, 0.6875, 1.375, 0.46875, -0.09375, 0.28125, 0.28125],
        128.6875,
        15195.625,
    ),
    (DType::Q3K, [5.0625, -6.75, 1.6875, -3.375, 0.125, -0.0, -1.75, 2.625], 59.875, 11071.5625),
    (
        DType::Q4K,
        [19.71875, -1.59375, 8.09375, 17.78125, 26.4375, -0.375, 2.28125, 3.03125],
        3402.5,
        473302.5,
    ),
    (
        DType::Q5K,
        [50.71875, -1.59375, 39.09375, 17.78125, 65.4375, -0.375, 6.03125, 6.78125],
        7263.5,
        1001715.5,
    ),
    (
        DType::Q6K,
        [-89.4375, 106.0, 36.4375, -33.125, -21.9375, 26.0, -2.5, -3.75],
        288.25,
        49026.25,
    ),
    (
        DType::Iq4Nl,
        [-2.1875, 1.5625, 7.0625, -3.0625, -2.1875, -0.625, -2.1875, 0.0625],
        -16.0625,
        -432.4375,
    ),
    (
        DType::Iq4Xs,
        [4.0625, -0.0625, -4.3125, 5.1875, -36.5625, 0.5625, 22.0, -1.0],
        -687.8125,
        -130695.875,
    ),
    (DType::Mxfp4, [0.0, 0.75, -0.25, -1.5, 0.375, 0.75, 0.375, 0.75], 3.125, 79.75),
];

/// The block of [`VECTORS`].
fn block(dtype: DType) -> Vec<u8> {
    let mut block: Vec<u8> = (0..dtype.block_bytes()).map(|i| (37 * i + 11) as u8).collect();
    for (&at, half) in halves(dtype).iter().zip([0x2c00u16, 0x2800]) {
        block[at..at + 2].copy_from_slice(&half.to_le_bytes());
    }
    if dtype == DType::Mxfp4 {
        block[0] = 125;
    }
    block
}

/// Rows of a matrix of blocks at an odd address, by every way to look them up.
fn looked_up(dtype: DType, rows: usize, cols: usize, stored: &[u8]) -> Vec<f32> {
    let all: Vec<u32> = (0..rows as u32).collect();
    let mut shifted = vec![0];
    shifted.extend(stored);
    let weights = MatrixView::new(dtype, rows, cols, &shifted[1..]).unwrap();
    let look_up = |c: &Compute| {
        let mut out = vec![f32::NAN; rows * cols];
        gather_rows(c, weights, &all, &mut out);
        out
    };
    let reference = look_up(scalar());
    for c in every() {
        assert_eq!(bits(&look_up(c)), bits(&reference), "{dtype} {c:?}");
    }
    reference
}

#[test]
fn a_block_means_what_the_format_says() {
    for (dtype, some, sum, weighted) in VECTORS {
        let got = looked_up(dtype, 1, dtype.block_len(), &block(dtype));
        let (count, middle) = (got.len(), got.len() / 2);
        let places = [0, 1, 2, 3, middle, middle + 1, count - 2, count - 1];
        assert_eq!(bits(&places.map(|place| got[place])), bits(&some), "{dtype}");
        let total = |weight: fn(usize) -> f64| -> f64 {
            got.iter().enumerate().map(|(i, &w)| f64::from(w) * weight(i)).sum()
        };
        assert_eq!(total(|_| 1.0), sum, "{dtype}");
        assert_eq!(total(|i| (i + 1) as f64), weighted, "{dtype}");
    }
}

#[test]
fn the_smallest_scales_of_mxfp4_are_below_the_normal_numbers() {
    for exponent in [0, 1, 2, 254] {
        let mut block = block(DType::Mxfp4);
        block[0] = exponent;
        let got = looked_up(DType::Mxfp4, 1, 32, &block);
        assert_eq!(bits(&got), bits(&decode(DType::Mxfp4, &block)));
    }
}

#[test]
fn every_half_precision_scale_is_taken_as_it_is() {
    for dtype in [DType::Q8_0, DType::Q4K] {
        for half in (0..=u16::MAX).step_by(257).chain([1, 0x7c00, 0x8001, 0xfe00]) {
            let mut block = block(dtype);
            block[..2].copy_from_slice(&half.to_le_bytes());
            let got = looked_up_scalar(dtype, &block);
            for (got, want) in got.iter().zip(decode(dtype, &block)) {
                let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                assert!(same, "{dtype} {half:04x}: {got} {want}");
            }
        }
    }
}

fn looked_up_scalar(dtype: DType, block: &[u8]) -> Vec<f32> {
    let weights = MatrixView::new(dtype, 1, dtype.block_len(), block).unwrap();
    let mut out = vec![f32::NAN; dtype.block_len()];
    gather_rows(every().last().unwrap(), weights, &[0], &mut out);
    out
}

/// A product by every way to compute it, against the same weights in f32.
fn check(dtype: DType, rows: usize, blocks: usize, tokens: usize, bias: bool) {
    let cols = blocks * dtype.block_len();
    let stored = stored(dtype, rows * cols, (rows * 31 + blocks) as u64);
    let plain = decode(dtype, &stored);
    assert_eq!(bits(&looked_up(dtype, rows, cols, &stored)), bits(&plain), "{dtype}");
    let x = numbers(tokens * cols, 5);
    let bias = bias.then(|| numbers(rows, 6));
    let mut want = Vec::new();
    for x in x.chunks(cols) {
        for (row, weights) in plain.chunks(cols).enumerate() {
            want.push(contract_dot(weights, x) + bias.as_ref().map_or(0.0, |bias| bias[row]));
        }
    }
    let weights = MatrixView::new(dtype, rows, cols, &stored).unwrap();
    let plain: Vec<u8> = plain.iter().flat_map(|w| w.to_le_bytes()).collect();
    let plain = MatrixView::new(DType::F32, rows, cols, &plain).unwrap();
    for c in every() {
        for weights in [weights, plain] {
            let mut got = vec![f32::NAN; tokens * rows];
            matmul(c, weights, &x, bias.as_deref(), &mut got);
            assert_eq!(bits(&got), bits(&want), "{} {c:?}", weights.element());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_have_the_bits_of_the_same_weights_in_f32(
        dtype in proptest::sample::select(&QUANTISED),
        rows in 1usize..20,
        blocks in 1usize..8,
        tokens in proptest::sample::select(&[1usize, 2, 3, 5]),
        bias: bool,
    ) {
        check(dtype, rows, blocks, tokens, bias);
    }
}

#[test]
fn rows_of_any_number_of_blocks_shared_between_threads_have_the_bits_of_f32() {
    for dtype in QUANTISED {
        let blocks = 1024 / dtype.block_len();
        check(dtype, 333, blocks, 1, true);
        check(dtype, 61, blocks + 1, 5, false);
    }
}

#[test]
fn rows_that_are_not_whole_blocks_are_refused() {
    for dtype in QUANTISED {
        let bytes = vec![0; dtype.block_bytes()];
        assert!(MatrixView::new(dtype, 1, dtype.block_len(), &bytes).is_ok());
        for cols in [dtype.block_len() - 1, dtype.block_len() + 1, 2 * dtype.block_len()] {
            assert!(MatrixView::new(dtype, 1, cols, &bytes).is_err());
        }
    }
}
