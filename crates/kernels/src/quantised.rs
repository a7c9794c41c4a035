//! Products of quantised weights with quantised activations.
//!
//! The contract, the same for every instruction set, for one vector and for many, for any number of threads:
//! - Thirty-two consecutive activations share a scale. With A the largest magnitude among them and N = 127
//!   (int8) or 32767 (int16), the scale is A / N and a code is the activation times N / A, rounded half to even;
//!   both quotients are rounded to f32 first. Where A is below 2^-100 all of them count as zeros; where one is
//!   infinite or no number, so is every product of the vector.
//! - A sub-block of weights, 16 or 32 numbers, gives one integer: the sum of the products of its codes (what the
//!   format multiplies with the scale: minus 8 for Q4_0, a number from the table for IQ4_NL) with those of the
//!   activations. It holds no scale, fits 32 bits, and is exact in any order.
//! - The sub-block's term is scale * sum, minus minimum * sum of the activations' codes where the format has a
//!   minimum; the integers are rounded to f32, then each operation is. Scale and minimum are those that the number's
//!   definition multiplies and subtracts: their own products come first.
//! - Sixteen f32 lanes take the terms: lane += activation scale * term, fused. Sub-block k of a row belongs to the
//!   lane l for which [`sub_block`](crate::encoding::blocks::sub_block) gives k mod 16: with 16 numbers, lane 4 q + r
//!   has 4 r + q; with 32, lane 4 q + 2 h + g has 8 h + 2 q + g. Each takes its own in ascending order; a row ends with
//!   zeros up to sixteen sub-blocks. The lanes are added by halving, as everywhere.

mod inputs;
mod many;
mod one;
mod width;

use crate::encoding::blocks::Blocks;
use crate::encoding::dispatch;
use crate::lanes::{IntegerKernel, Products};
use crate::split::Block;
use crate::{Compute, MatrixView};
pub(crate) use inputs::Inputs;
use std::marker::PhantomData;
pub(crate) use width::{Eight, Sixteen, Width};

/// The rows of `x` as products with `weights` take them.
pub(crate) fn inputs<A: Width>(c: &Compute, weights: MatrixView<'_>, x: &[f32]) -> Inputs<A> {
    let dtype = weights.element();
    dispatch!(
        dtype,
        number _ => unreachable!("{dtype} is not quantised"),
        block blocks => Inputs::new(c, x, weights.cols(), sub(blocks)),
    )
}

/// Numbers of a sub-block.
fn sub<Q: Blocks>(_: Q) -> usize {
    Q::SUB
}

/// The products of some rows of `weights` with all of `inputs`, made for weights like these; `bias` is one number per row of
/// the matrix.
pub(crate) fn multiply<A: Width>(
    c: &Compute,
    weights: MatrixView<'_>,
    inputs: &Inputs<A>,
    bias: Option<&[f32]>,
    block: Block<'_>,
) {
    let dtype = weights.element();
    let range = block.first..block.first + block.len();
    let bias = bias.map(|bias| &bias[range.clone()]);
    let weights = weights.rows(range);
    dispatch!(
        dtype,
        number _ => unreachable!("{dtype} is not quantised"),
        block blocks => share(c, blocks, weights, inputs, bias, block),
    );
}

fn share<Q: Blocks, A: Width>(
    c: &Compute,
    _: Q,
    weights: MatrixView<'_>,
    inputs: &Inputs<A>,
    bias: Option<&[f32]>,
    block: Block<'_>,
) {
    // Codes stand either above what they mean or above a minimum.
    const { assert!((Q::BIAS == 0) == Q::MINIMA && Q::BIAS.count_ones() <= 1) };
    let share = Share::<Q, A> { weights, inputs, bias, block, encoding: PhantomData };
    c.integer_path().run(share);
}

/// Some rows against all vectors.
struct Share<'a, 'b, Q, A: Width> {
    weights: MatrixView<'a>,
    inputs: &'a Inputs<A>,
    bias: Option<&'a [f32]>,
    block: Block<'b>,
    encoding: PhantomData<Q>,
}

impl<Q: Blocks, A: Width> IntegerKernel for Share<'_, '_, Q, A> {
    type Output = ();

    #[inline(always)]
    fn run<P: Products>(self, products: P) {
        let Share { weights, inputs, bias, mut block, .. } = self;
        let put = |row: usize, token: usize, dot: f32| {
            block.tokens[token][row] = dot + bias.map_or(0.0, |bias| bias[row]);
        };
        match inputs.count() {
            1 => one::dot_each::<P, Q, A>(
                products,
                weights,
                inputs.vector(0, 0..inputs.rounds()),
                put,
            ),
            _ => many::dot_all::<P, Q, A>(products, weights, inputs, put),
        }
    }
}
