//! Attention over stored keys and values.

use super::slices::{numbers, tokens};
use crate::{AttentionSpec, Compute, KvRow, KvStore};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Attention of a (rows, heads x head size) tensor of queries.
#[derive(Debug)]
pub struct AttentionOp<'a> {
    /// Who computes.
    pub compute: &'a Compute,
    /// Shape of the attention.
    pub spec: &'a AttentionSpec<'a>,
    /// Keys and values, those of the queries' own positions included.
    pub store: &'a dyn KvStore,
    /// Layer of the store.
    pub layer: usize,
    /// Where each query stands.
    pub rows: &'a [KvRow],
}

/// Applies [`AttentionOp`] to `q`, (rows, heads x head size); gives the same shape.
///
/// # Errors
/// When `q` is not such a contiguous f32 tensor on the CPU.
///
/// # Panics
/// When the store has other heads or lacks a position, or `q` has another number of rows.
pub fn attention(
    q: &Tensor,
    compute: &Compute,
    spec: &AttentionSpec<'_>,
    store: &dyn KvStore,
    layer: usize,
    rows: &[KvRow],
) -> Result<Tensor> {
    q.apply_op1_no_bwd(&AttentionOp { compute, spec, store, layer, rows })
}

impl CustomOp1 for AttentionOp<'_> {
    fn name(&self) -> &'static str {
        "flint-attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        tokens(self.name(), layout, self.spec.heads * self.spec.head_dim)?;
        let q = numbers(self.name(), storage, layout)?;
        let mut out = vec![0.0; q.len()];
        let AttentionOp { compute, spec, store, layer, rows } = self;
        crate::attention(compute, spec, q, *store, *layer, rows, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
