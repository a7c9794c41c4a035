//! Layer norm and RMS norm.

use super::slices::{numbers, tokens};
use crate::Compute;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Layer norm of each row of a (tokens, `width`) tensor.
#[derive(Debug)]
pub struct LayerNorm<'a> {
    /// Who computes.
    pub compute: &'a Compute,
    /// Numbers per row.
    pub width: usize,
    /// Scale of each column.
    pub weight: Option<&'a [f32]>,
    /// Added to each column.
    pub bias: Option<&'a [f32]>,
    /// Added to the variance.
    pub eps: f32,
}

/// RMS norm of each row of a (tokens, `weight.len()`) tensor.
#[derive(Debug)]
pub struct RmsNorm<'a> {
    /// Who computes.
    pub compute: &'a Compute,
    /// Scale of each column.
    pub weight: &'a [f32],
    /// Added to the mean square.
    pub eps: f32,
}

/// Applies [`LayerNorm`] to `x`, (tokens, width).
///
/// # Errors
/// When `x` is not a contiguous f32 tensor of two dimensions on the CPU.
///
/// # Panics
/// When weight or bias has another length than the width.
pub fn layer_norm(
    x: &Tensor,
    compute: &Compute,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    eps: f32,
) -> Result<Tensor> {
    let width = x.dims2()?.1;
    x.apply_op1_no_bwd(&LayerNorm { compute, width, weight, bias, eps })
}

/// Applies [`RmsNorm`] to `x`, (tokens, `weight.len()`).
///
/// # Errors
/// When `x` is not such a contiguous f32 tensor on the CPU.
pub fn rms_norm(x: &Tensor, compute: &Compute, weight: &[f32], eps: f32) -> Result<Tensor> {
    x.apply_op1_no_bwd(&RmsNorm { compute, weight, eps })
}

impl CustomOp1 for LayerNorm<'_> {
    fn name(&self) -> &'static str {
        "flint-layer-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.width)?;
        let x = numbers(self.name(), storage, layout)?;
        let mut out = vec![0.0; x.len()];
        crate::layer_norm(self.compute, x, self.width, self.weight, self.bias, self.eps, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

impl CustomOp1 for RmsNorm<'_> {
    fn name(&self) -> &'static str {
        "flint-rms-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.weight.len())?;
        let x = numbers(self.name(), storage, layout)?;
        let mut out = vec![0.0; x.len()];
        crate::rms_norm(self.compute, x, self.weight, self.eps, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
