//! Rotary position embedding.

use super::slices::{numbers, tokens};
use crate::Rotary;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Turns the heads of a (tokens, heads x head size) tensor of consecutive positions.
#[derive(Debug)]
pub struct RotaryOp<'a> {
    /// The angles.
    pub rotary: &'a Rotary,
    /// Heads per token.
    pub heads: usize,
    /// Position of the first token.
    pub first_position: usize,
}

/// Applies [`RotaryOp`] to `x`, (tokens, heads x head size).
///
/// # Errors
/// When `x` is not such a contiguous f32 tensor on the CPU.
pub fn rotary(x: &Tensor, rotary: &Rotary, heads: usize, first_position: usize) -> Result<Tensor> {
    x.apply_op1_no_bwd(&RotaryOp { rotary, heads, first_position })
}

impl CustomOp1 for RotaryOp<'_> {
    fn name(&self) -> &'static str {
        "flint-rotary"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.heads * self.rotary.head_dim())?;
        let mut out = numbers(self.name(), storage, layout)?.to_vec();
        self.rotary.rotate(&mut out, self.heads, self.first_position);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
