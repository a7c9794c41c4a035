//! Products of weight matrices with one token's vector or with many; several of them at once where they are small.

use crate::encoding::{Encoding, Quantised, dispatch};
use crate::lanes::{Kernel, Lanes};
use crate::quantised::{self, Eight, Sixteen};
use crate::shares::rows_per_share;
use crate::split::{Block, blocks};
use crate::tile::PackedInputs;
use crate::{Arithmetic, Compute, MatrixView};

/// `out = x weights^T + bias`: for each token, each row's dot product, plus its bias when finished.
#[derive(Debug)]
pub struct MatrixProduct<'a> {
    /// The matrix.
    pub weights: MatrixView<'a>,
    /// The vectors, (tokens x `weights.cols()`).
    pub x: &'a [f32],
    /// One number per row of the matrix.
    pub bias: Option<&'a [f32]>,
    /// The result, (tokens x `weights.row_count()`).
    pub out: &'a mut [f32],
}

/// Computes one product, a [`MatrixProduct`] of these parts.
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
    matmul_each(c, &mut [MatrixProduct { weights, x, bias, out }]);
}

/// Computes all of `products`, such as those of the experts of one token. Threads go on from one to the next without waiting
/// for each other.
///
/// # Panics
/// When the sizes of one do not agree.
pub fn matmul_each(c: &Compute, products: &mut [MatrixProduct<'_>]) {
    let inputs: Vec<Inputs<'_>> =
        products.iter().map(|product| Inputs::new(c, product.weights, product.x)).collect();
    let (mut touched, mut all) = (0, 0);
    for (product, inputs) in products.iter().zip(&inputs) {
        let rows = product.weights.row_count();
        let (out, bias) = (product.out.len(), product.bias);
        assert_eq!(out, inputs.tokens() * rows, "one number per token and row");
        assert!(bias.is_none_or(|bias| bias.len() == rows), "one bias per row");
        // Each further token costs about as much as reading the weights again from a near cache.
        touched += product.weights.byte_len() * inputs.tokens();
        all += product.weights.byte_len();
    }
    let work = products.iter_mut().zip(&inputs).flat_map(|(product, inputs)| {
        let MatrixProduct { weights, bias, .. } = *product;
        let rows = weights.row_count();
        let share = rows_per_share(c, rows, weights.byte_len(), all);
        blocks(product.out, rows, share).map(move |block| (weights, bias, inputs, block))
    });
    c.share(touched, work, |(weights, bias, inputs, block)| match inputs {
        Inputs::Numbers(x) => multiply(c, weights, x, bias, block),
        Inputs::Sixteen(x) => quantised::multiply(c, weights, x, bias, block),
        Inputs::Eight(x) => quantised::multiply(c, weights, x, bias, block),
    });
}

/// Vectors as the products with some weights take them.
enum Inputs<'a> {
    Numbers(PackedInputs<'a>),
    Sixteen(quantised::Inputs<Sixteen>),
    Eight(quantised::Inputs<Eight>),
}

impl<'a> Inputs<'a> {
    fn new(c: &Compute, weights: MatrixView<'_>, x: &'a [f32]) -> Inputs<'a> {
        match weights.arithmetic() {
            Arithmetic::F32 => {
                let quantised = weights.element().is_quantised();
                Inputs::Numbers(PackedInputs::new(x, weights.cols(), quantised))
            }
            Arithmetic::Int16 => Inputs::Sixteen(quantised::inputs(c, weights, x)),
            Arithmetic::Int8 => Inputs::Eight(quantised::inputs(c, weights, x)),
        }
    }

    fn tokens(&self) -> usize {
        match self {
            Inputs::Numbers(x) => x.tokens(),
            Inputs::Sixteen(x) => x.count(),
            Inputs::Eight(x) => x.count(),
        }
    }
}

fn multiply(
    c: &Compute,
    weights: MatrixView<'_>,
    x: &PackedInputs<'_>,
    bias: Option<&[f32]>,
    block: Block<'_>,
) {
    let path = c.path();
    dispatch!(
        weights.element(),
        number encoding => path.run(Product { encoding, weights, x, bias, block }),
        block blocks => {
            path.run(Product { encoding: Quantised(blocks), weights, x, bias, block })
        },
    );
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
