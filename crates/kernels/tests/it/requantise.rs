//! Rough copies are close to what they are copies of, whatever its encoding and the number of threads.

use crate::blocks::decode;
use crate::twin::{self, encode, numbers};
use flint_kernels::{Compute, DType, Isa, MatrixView, requantise};

const COLUMNS: usize = 96;
const ROWS: usize = 37;

fn rough(weights: MatrixView<'_>, threads: usize) -> Vec<u8> {
    let mut out = vec![0xff; ROWS * COLUMNS / 32 * 18];
    requantise(&Compute::new(Isa::best(), threads).unwrap(), weights, &mut out);
    out
}

#[test]
fn a_copy_is_close() {
    let exact = numbers(ROWS * COLUMNS, 3);
    let bytes: Vec<u8> = exact.iter().flat_map(|number| number.to_le_bytes()).collect();
    let weights = MatrixView::new(DType::F32, ROWS, COLUMNS, &bytes).unwrap();
    let copy = rough(weights, 1);
    assert_eq!(copy, rough(weights, 2));
    let got = decode(DType::Q4_0, &copy);
    let mut all = (0.0, 0.0);
    for (exact, got) in exact.chunks(32).zip(got.chunks(32)) {
        let largest = exact.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
        for (a, b) in exact.iter().zip(got) {
            assert!((a - b).abs() <= largest / 4.0, "{a} {b} of {largest}");
            all = (all.0 + (a - b).powi(2), all.1 + a * a);
        }
    }
    // Evenly spread numbers on sixteen steps: a step is an eighth of the largest.
    assert!(all.0 / all.1 < 0.006, "{}", all.0 / all.1);
}

#[test]
fn a_copy_depends_on_the_numbers_and_not_on_their_encoding() {
    for element in [DType::F16, DType::Bf16] {
        let bytes = encode(element, &numbers(ROWS * COLUMNS, 9));
        let copy = rough(MatrixView::new(element, ROWS, COLUMNS, &bytes).unwrap(), 2);
        let wide = encode(DType::F32, &twin::decode(element, &bytes));
        assert_eq!(copy, rough(MatrixView::new(DType::F32, ROWS, COLUMNS, &wide).unwrap(), 1));
    }
}
