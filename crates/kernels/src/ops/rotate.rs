//! Rotary position embedding.

use super::slices::{numbers, tokens};
use crate::{KvRow, Rotary};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Turns the heads of a (rows, heads x head size) tensor.
#[derive(Debug)]
pub struct RotaryOp<'a> {
    /// The angles.
    pub rotary: &'a Rotary,
    /// Heads per row.
    pub heads: usize,
    /// Where each row stands.
    pub rows: &'a [KvRow],
}

/// Applies [`RotaryOp`] to `x`, (rows, heads x head size).
///
/// # Errors
/// When `x` is not such a contiguous f32 tensor on the CPU.
///
/// # Panics
/// When `x` has another number of rows.
pub fn rotary(x: &Tensor, rotary: &Rotary, heads: usize, rows: &[KvRow]) -> Result<Tensor> {
    x.apply_op1_no_bwd(&RotaryOp { rotary, heads, rows })
}

impl CustomOp1 for RotaryOp<'_> {
    fn name(&self) -> &'static str {
        "flint-rotary"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.heads * self.rotary.head_dim())?;
        let mut out = numbers(self.name(), storage, layout)?.to_vec();
        self.rotary.rotate(&mut out, self.heads, self.rows.iter().map(|row| row.position));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
