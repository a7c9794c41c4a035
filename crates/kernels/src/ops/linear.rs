//! A linear layer over weights seen in place.

use super::slices::{numbers, tokens};
use crate::{Compute, MatrixView, matmul};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// `y = W x + b` for each row of a (tokens, `weights.cols()`) tensor.
#[derive(Debug)]
pub struct Linear<'a> {
    /// Who computes.
    pub compute: &'a Compute,
    /// W.
    pub weights: MatrixView<'a>,
    /// b: one number per row of W.
    pub bias: Option<&'a [f32]>,
}

/// Applies [`Linear`] to `x`, (tokens, `weights.cols()`); gives (tokens, `weights.row_count()`).
///
/// # Errors
/// When `x` is not such a contiguous f32 tensor on the CPU.
///
/// # Panics
/// When the bias has another length than the rows of the weights.
pub fn linear(
    x: &Tensor,
    compute: &Compute,
    weights: MatrixView<'_>,
    bias: Option<&[f32]>,
) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Linear { compute, weights, bias })
}

impl CustomOp1 for Linear<'_> {
    fn name(&self) -> &'static str {
        "flint-linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let tokens = tokens(self.name(), layout, self.weights.cols())?;
        let x = numbers(self.name(), storage, layout)?;
        let mut out = vec![0.0; tokens * self.weights.row_count()];
        matmul(self.compute, self.weights, x, self.bias, &mut out);
        Ok((CpuStorage::F32(out), (tokens, self.weights.row_count()).into()))
    }
}
