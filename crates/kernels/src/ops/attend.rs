//! Attention over the KV cache.

use super::slices::{numbers, tokens};
use crate::{AttentionSpec, Compute, KvCache};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Attention of a (tokens, heads x head size) tensor of queries at consecutive positions.
#[derive(Debug)]
pub struct AttentionOp<'a> {
    /// Who computes.
    pub compute: &'a Compute,
    /// Shape of the attention.
    pub spec: &'a AttentionSpec,
    /// Keys and values, those of the queries' own positions included.
    pub cache: &'a KvCache,
    /// Layer of the cache.
    pub layer: usize,
    /// Position of the first query.
    pub first_position: usize,
}

/// Applies [`AttentionOp`] to `q`, (tokens, heads x head size); gives the same shape.
///
/// # Errors
/// When `q` is not such a contiguous f32 tensor on the CPU.
///
/// # Panics
/// When the cache has other heads or lacks a position.
pub fn attention(
    q: &Tensor,
    compute: &Compute,
    spec: &AttentionSpec,
    cache: &KvCache,
    layer: usize,
    first_position: usize,
) -> Result<Tensor> {
    q.apply_op1_no_bwd(&AttentionOp { compute, spec, cache, layer, first_position })
}

impl CustomOp1 for AttentionOp<'_> {
    fn name(&self) -> &'static str {
        "flint-attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.spec.heads * self.spec.head_dim)?;
        let q = numbers(self.name(), storage, layout)?;
        let mut out = vec![0.0; q.len()];
        let position = self.first_position;
        crate::attention(self.compute, self.spec, q, self.cache, self.layer, position, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
