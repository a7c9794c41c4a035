//! Products with quantised activations: the words of the contract as a slow twin, on every path.

use crate::blocks::{QUANTISED, decode, stored, sub_blocks};
use crate::twin::{bits, dot, every, numbers, scalar};
use flint_kernels::{Arithmetic, Compute, DType, MatrixView, matmul};
use proptest::prelude::*;

/// The codes of a row of activations, and the scale of each 32.
fn quantise(x: &[f32], arithmetic: Arithmetic) -> (Vec<i32>, Vec<f32>) {
    let most = if arithmetic == Arithmetic::Int8 { 127.0f32 } else { 32767.0 };
    let (mut codes, mut scales) = (Vec::new(), Vec::new());
    for block in x.chunks(32) {
        let largest = block.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let tiny = largest < 2f32.powi(-100);
        scales.push(if tiny { 0.0 } else { largest / most });
        let factor = if tiny { 0.0 } else { most / largest };
        codes.extend(block.iter().map(|x| (x * factor).round_ties_even() as i32));
    }
    (codes, scales)
}

/// The lane of a sub-block of `size` numbers.
fn lane(size: usize, k: usize) -> usize {
    match size {
        16 => 4 * (k % 4) + k % 16 / 4,
        _ => 4 * (k % 8 / 2) + 2 * (k % 16 / 8) + k % 2,
    }
}

/// A row's product as the contract words it.
fn contract(dtype: DType, arithmetic: Arithmetic, row: &[u8], x: &[f32]) -> f32 {
    let (codes, scales) = quantise(x, arithmetic);
    let mut lanes = [0.0f32; 16];
    let mut from = 0;
    for (k, sub) in sub_blocks(dtype, row).into_iter().enumerate() {
        let size = sub.codes.len();
        let x = &codes[from..][..size];
        let sum: i32 = sub.codes.iter().zip(x).map(|(w, x)| w * x).sum();
        let mut term = sub.scale * sum as f32;
        if let Some(minimum) = sub.minimum {
            term -= minimum * x.iter().sum::<i32>() as f32;
        }
        let lane = &mut lanes[lane(size, k)];
        *lane = scales[from / 32].mul_add(term, *lane);
        from += size;
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

/// A product to compute.
struct Case {
    dtype: DType,
    rows: usize,
    cols: usize,
    stored: Vec<u8>,
    x: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Case {
    fn new(dtype: DType, rows: usize, blocks: usize, tokens: usize, bias: bool) -> Case {
        let cols = blocks * dtype.block_len();
        let seed = (rows * 31 + blocks * 7 + tokens) as u64;
        // One byte in front, so that the rows start at odd addresses.
        let mut bytes = vec![0];
        bytes.extend(stored(dtype, rows * cols, seed));
        let x = numbers(tokens * cols, seed + 1);
        let bias = bias.then(|| numbers(rows, seed + 2));
        Case { dtype, rows, cols, stored: bytes, x, bias }
    }

    fn run(&self, c: &Compute, arithmetic: Arithmetic) -> Vec<f32> {
        let weights = MatrixView::new(self.dtype, self.rows, self.cols, &self.stored[1..]);
        let weights = weights.unwrap().with_arithmetic(arithmetic);
        let mut out = vec![f32::NAN; self.x.len() / self.cols * self.rows];
        matmul(c, weights, &self.x, self.bias.as_deref(), &mut out);
        out
    }

    fn check(&self, arithmetic: Arithmetic) {
        let row_bytes = self.cols / self.dtype.block_len() * self.dtype.block_bytes();
        let mut want = Vec::new();
        for x in self.x.chunks(self.cols) {
            for (row, bytes) in self.stored[1..].chunks(row_bytes).enumerate() {
                let bias = self.bias.as_ref().map_or(0.0, |bias| bias[row]);
                want.push(contract(self.dtype, arithmetic, bytes, x) + bias);
            }
        }
        for c in every() {
            let got = self.run(c, arithmetic);
            assert_eq!(bits(&got), bits(&want), "{} {arithmetic} {c:?}", self.dtype);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_have_the_bits_of_the_contract(
        dtype in proptest::sample::select(&QUANTISED),
        arithmetic in proptest::sample::select(&[Arithmetic::Int8, Arithmetic::Int16]),
        rows in 1usize..20,
        blocks in 1usize..20,
        tokens in proptest::sample::select(&[1usize, 2, 3, 5]),
        bias: bool,
    ) {
        Case::new(dtype, rows, blocks, tokens, bias).check(arithmetic);
    }
}

#[test]
fn every_type_has_the_bits_of_the_contract_on_every_path() {
    for dtype in QUANTISED {
        let blocks = 1024 / dtype.block_len();
        for arithmetic in [Arithmetic::Int8, Arithmetic::Int16] {
            Case::new(dtype, 333, blocks, 1, true).check(arithmetic);
            Case::new(dtype, 61, blocks + 1, 5, false).check(arithmetic);
        }
    }
}

#[test]
fn the_largest_codes_do_not_overflow() {
    // Every activation is the largest of its block, every stored byte the same.
    for dtype in QUANTISED {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            for sign in [1.0, -1.0] {
                let mut case = Case::new(dtype, 5, 4, 2, false);
                for stored in case.stored.iter_mut() {
                    *stored = byte;
                }
                for block in case.stored[1..].chunks_mut(dtype.block_bytes()) {
                    for &at in crate::blocks::halves(dtype) {
                        block[at..at + 2].copy_from_slice(&0x2c00u16.to_le_bytes());
                    }
                    if dtype == DType::Mxfp4 {
                        block[0] = 125;
                    }
                }
                case.x.fill(sign * 0.7);
                case.check(Arithmetic::Int8);
                case.check(Arithmetic::Int16);
            }
        }
    }
}

#[test]
fn halves_round_to_even_and_tiny_numbers_are_zeros() {
    let mut case = Case::new(DType::Q8_0, 3, 4, 1, false);
    for (i, x) in case.x.iter_mut().enumerate() {
        *x = match i / 32 {
            // With a largest of 127 the scale is one.
            0 => [127.0, 0.5, 1.5, -2.5, -0.5][i % 5],
            1 => 1e-37 * (i % 3) as f32,
            2 => 0.0,
            _ => f32::MAX / (i % 7 + 1) as f32,
        };
    }
    case.x[96..].fill(1e30);
    case.check(Arithmetic::Int8);
    case.check(Arithmetic::Int16);
    assert_eq!(quantise(&case.x, Arithmetic::Int8).0[..5], [127, 0, 2, -2, 0]);
}

#[test]
fn wider_activations_are_closer_to_the_product_in_f32() {
    for dtype in QUANTISED {
        let case = Case::new(dtype, 40, 2048 / dtype.block_len(), 1, false);
        let weights = decode(dtype, &case.stored[1..]);
        let truth: Vec<f64> = weights.chunks(case.cols).map(|row| dot(row, &case.x)).collect();
        let error = |arithmetic: Arithmetic| {
            let got = case.run(scalar(), arithmetic);
            let off = got.iter().zip(&truth).map(|(&got, want)| (f64::from(got) - want).powi(2));
            let size: f64 = truth.iter().map(|want| want.powi(2)).sum();
            (off.sum::<f64>() / size).sqrt()
        };
        let (int8, int16) = (error(Arithmetic::Int8), error(Arithmetic::Int16));
        assert!(int8 < 2e-2, "{dtype} int8 is off by {int8:.2e}");
        assert!(int16 < 1e-4, "{dtype} int16 is off by {int16:.2e}");
        assert!(int16 < int8 / 50.0, "{dtype}: {int16:.2e} beside {int8:.2e}");
    }
}

#[test]
fn an_activation_that_is_no_number_makes_the_product_none() {
    for none in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for dtype in QUANTISED {
            let mut case = Case::new(dtype, 5, 2, 3, false);
            case.x[case.cols + 7] = none;
            for c in every() {
                for arithmetic in [Arithmetic::Int8, Arithmetic::Int16] {
                    let nans: Vec<bool> =
                        case.run(c, arithmetic).iter().map(|out| out.is_nan()).collect();
                    assert_eq!(nans, [[false; 5], [true; 5], [false; 5]].concat());
                }
            }
        }
    }
}

#[test]
fn nothing_times_anything_gives_nothing() {
    let bytes = [0; 34];
    for arithmetic in [Arithmetic::Int8, Arithmetic::Int16] {
        for c in every() {
            let none = MatrixView::new(DType::Q8_0, 0, 32, &[]).unwrap();
            matmul(c, none.with_arithmetic(arithmetic), &[1.0; 64], None, &mut []);
            let one = MatrixView::new(DType::Q8_0, 1, 32, &bytes).unwrap();
            matmul(c, one.with_arithmetic(arithmetic), &[], None, &mut []);
        }
    }
}

#[test]
fn weights_that_are_not_quantised_are_multiplied_in_f32() {
    let weights = MatrixView::new(DType::F32, 1, 1, &[0; 4]).unwrap();
    assert_eq!(weights.with_arithmetic(Arithmetic::Int8).arithmetic(), Arithmetic::F32);
}

#[test]
fn names_are_read_back() {
    for arithmetic in Arithmetic::ALL {
        assert_eq!(arithmetic.to_string().parse::<Arithmetic>().unwrap(), arithmetic);
    }
    let error = "int4".parse::<Arithmetic>().unwrap_err().to_string();
    assert_eq!(error, "unknown arithmetic 'int4': expected f32, int16 or int8");
}
