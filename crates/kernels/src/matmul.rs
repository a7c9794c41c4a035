//! The product of a weight matrix with one token's vector or with many.

use crate::encoding::{Encoding, Quantised, dispatch};
use crate::lanes::{Kernel, Lanes};
use crate::quantised;
use crate::shares::rows_per_share;
use crate::split::{Block, blocks};
use crate::tile::PackedInputs;
use crate::{Arithmetic, Compute, MatrixView};

/// `out = x weights^T + bias`: for each token, each row's dot product, plus its bias when finished.
///
/// `x` is tokens x `weights.cols()`, `out` tokens x `weights.row_count()`, `bias` one per row.
///
/// # Panics
/// When the sizes do not agree.
pub fn matmul(
    c: &Compute,
    weights: MatrixView<'_>,
    x: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let (rows, cols) = (weights.row_count(), weights.cols());
    if weights.arithmetic() != Arithmetic::F32 {
        return quantised::multiply(c, weights, x, bias, out);
    }
    let dtype = weights.element();
    let x = PackedInputs::new(x, cols, dtype.is_quantised());
    assert_eq!(out.len(), x.tokens() * rows, "matmul writes one number per token and row");
    assert!(bias.is_none_or(|bias| bias.len() == rows), "matmul takes one bias per row");
    let share = rows_per_share(c, rows, weights.byte_len());
    // Each further token costs about as much as reading the weights again from a near cache.
    let touched = weights.byte_len() * x.tokens();
    c.share(touched, blocks(out, rows, share), |block| {
        let (x, path) = (&x, c.path());
        dispatch!(
            dtype,
            number encoding => path.run(Product { encoding, weights, x, bias, block }),
            block blocks => {
                path.run(Product { encoding: Quantised(blocks), weights, x, bias, block })
            },
        );
    });
}

/// A block of rows against all tokens.
struct Product<'a, 'b, E> {
    #[expect(dead_code, reason = "its type is what counts")]
    encoding: E,
    weights: MatrixView<'a>,
    x: &'a PackedInputs<'a>,
    bias: Option<&'a [f32]>,
    block: Block<'b>,
}

impl<E: Encoding> Kernel for Product<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Product { weights, x, bias, mut block, .. } = self;
        let (first, rows) = (block.first, block.len());
        let row = |index: usize| weights.row(first + index);
        E::dot_all(lanes, rows, row, x, |row, token, dot| {
            let bias = bias.map_or(0.0, |bias| bias[first + row]);
            block.tokens[token][row] = dot + bias;
        });
    }
}
