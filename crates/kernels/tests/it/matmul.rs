//! The product of a matrix with one vector and with many: the contract, its paths, its shapes.

use crate::twin::{
    ELEMENTS, assert_close, bits, contract_dot, decode, dot, encode, every, numbers, scalar,
};
use flint_kernels::{Compute, DType, MatrixProduct, MatrixView, gather_rows, matmul, matmul_each};
use proptest::prelude::*;

/// A product to compute.
struct Case {
    element: DType,
    rows: usize,
    cols: usize,
    weights: Vec<u8>,
    x: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Case {
    fn new(element: DType, rows: usize, cols: usize, tokens: usize, bias: bool) -> Case {
        let seed = (rows * 31 + cols * 7 + tokens) as u64;
        // One byte in front, so that the rows start at odd addresses.
        let mut weights = vec![0];
        weights.extend(encode(element, &numbers(rows * cols, seed)));
        let x = numbers(tokens * cols, seed + 1);
        let bias = bias.then(|| numbers(rows, seed + 2));
        Case { element, rows, cols, weights, x, bias }
    }

    fn weights(&self) -> MatrixView<'_> {
        MatrixView::new(self.element, self.rows, self.cols, &self.weights[1..]).unwrap()
    }

    fn run(&self, c: &Compute) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.x.len() / self.cols * self.rows];
        matmul(c, self.weights(), &self.x, self.bias.as_deref(), &mut out);
        out
    }

    /// Each output by `sum` of its row and its vector, plus the bias.
    fn twin<T>(&self, sum: impl Fn(&[f32], &[f32]) -> T, add: impl Fn(T, f32) -> T) -> Vec<T> {
        let weights = decode(self.element, &self.weights[1..]);
        let mut out = Vec::new();
        for x in self.x.chunks(self.cols) {
            for (row, weights) in weights.chunks(self.cols).enumerate() {
                let bias = self.bias.as_ref().map_or(0.0, |bias| bias[row]);
                out.push(add(sum(weights, x), bias));
            }
        }
        out
    }

    fn check(&self) {
        let reference = self.run(scalar());
        let contract = self.twin(contract_dot, |dot, bias| dot + bias);
        assert_eq!(bits(&reference), bits(&contract), "the contract");
        let truth = self.twin(dot, |dot, bias| dot + f64::from(bias));
        assert_close(&reference, &truth, 1e-6 * self.cols as f64);
        for c in every() {
            assert_eq!(bits(&self.run(c)), bits(&reference), "{c:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_products_have_the_bits_of_the_contract(
        element in proptest::sample::select(&ELEMENTS),
        rows in 1usize..30,
        cols in 1usize..100,
        tokens in proptest::sample::select(&[1usize, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
        bias: bool,
    ) {
        Case::new(element, rows, cols, tokens, bias).check();
    }
}

#[test]
fn products_shared_between_threads_have_the_bits_of_the_contract() {
    for element in ELEMENTS {
        for tokens in [1, 2, 7, 12, 13] {
            Case::new(element, 333, 519, tokens, true).check();
            Case::new(element, 128, 1024, tokens, false).check();
        }
    }
}

#[test]
fn a_matrix_without_rows_or_tokens_gives_nothing() {
    for c in every() {
        let none = MatrixView::new(DType::F16, 0, 5, &[]).unwrap();
        matmul(c, none, &[1.0; 10], None, &mut []);
        let bytes = encode(DType::F16, &[1.0; 5]);
        let one = MatrixView::new(DType::F16, 1, 5, &bytes).unwrap();
        matmul(c, one, &[], None, &mut []);
    }
}

#[test]
fn numbers_that_are_none_do_not_panic() {
    let specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-45];
    for element in ELEMENTS {
        let weights = encode(element, &specials.repeat(5));
        let weights = MatrixView::new(element, 5, 5, &weights).unwrap();
        for c in every() {
            matmul(c, weights, &specials, None, &mut [0.0; 5]);
            matmul(c, weights, &specials.repeat(3), None, &mut [0.0; 15]);
        }
    }
}

#[test]
fn rows_of_a_matrix_give_the_same_bits_as_the_whole() {
    let case = Case::new(DType::Bf16, 20, 37, 3, false);
    let whole = case.run(scalar());
    let mut part = vec![0.0; 3 * 7];
    matmul(scalar(), case.weights().rows(5..12), &case.x, None, &mut part);
    for token in 0..3 {
        assert_eq!(bits(&part[token * 7..][..7]), bits(&whole[token * 20 + 5..][..7]));
    }
}

#[test]
fn a_matrix_whose_bytes_do_not_fit_is_refused() {
    let bytes = [0; 24];
    assert!(MatrixView::new(DType::F16, 3, 4, &bytes).is_ok());
    assert!(MatrixView::new(DType::F16, 4, 4, &bytes).is_err());
    assert!(MatrixView::new(DType::F32, 3, 4, &bytes).is_err());
    let error = MatrixView::new(DType::F32, usize::MAX, usize::MAX, &bytes).unwrap_err();
    assert!(error.to_string().contains("does not take 24 bytes"), "{error}");
}

#[test]
fn every_half_precision_number_widens_exactly() {
    for element in [DType::F16, DType::Bf16] {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let weights = MatrixView::new(element, 1, 1 << 16, &bytes).unwrap();
        let want = decode(element, &bytes);
        for c in every() {
            let mut got = vec![0.0; 1 << 16];
            gather_rows(c, weights, &[0], &mut got);
            for (got, want) in got.iter().zip(&want) {
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan());
            }
        }
    }
}

#[test]
fn embed_looks_rows_up() {
    for element in ELEMENTS {
        let case = Case::new(element, 9, 21, 1, false);
        let all = decode(element, &case.weights[1..]);
        let want: Vec<f32> =
            [8, 0, 8].iter().flat_map(|row| all[row * 21..][..21].to_vec()).collect();
        for c in every() {
            let mut got = vec![f32::NAN; 63];
            gather_rows(c, case.weights(), &[8, 0, 8], &mut got);
            assert_eq!(got, want);
        }
    }
}

proptest! {
    #[test]
    fn products_together_are_those_alone(
        shapes in proptest::collection::vec((0usize..40, 1usize..90, 1usize..4), 0..6),
        element in proptest::sample::select(&ELEMENTS),
    ) {
        let cases: Vec<Case> = shapes
            .iter()
            .map(|&(rows, cols, tokens)| Case::new(element, rows, cols, tokens, rows % 2 == 0))
            .collect();
        for c in every() {
            let mut outs: Vec<Vec<f32>> = cases
                .iter()
                .map(|case| vec![f32::NAN; case.x.len() / case.cols * case.rows])
                .collect();
            let products = cases.iter().zip(&mut outs).map(|(case, out)| MatrixProduct {
                weights: case.weights(),
                x: &case.x,
                bias: case.bias.as_deref(),
                out,
            });
            matmul_each(c, &mut products.collect::<Vec<_>>());
            for (case, out) in cases.iter().zip(&outs) {
                prop_assert_eq!(bits(&case.run(scalar())), bits(out), "{:?}", c);
            }
        }
    }
}
