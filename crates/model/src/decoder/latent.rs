//! Attention over latent vectors, heads in their space ("absorbed"): a token stores one vector instead of a key and a value for
//! each head.
//!
//! The stored vector is the rotated part of the key, then the normed latent part, so that what is rotated comes first as in other
//! families. It serves as key and as value: of what a head mixes, the latent part is taken.

use super::{Decoder, Pass};
use crate::{Affine, LatentAttention, LayerPart, ModelError, TensorRole};
use candle_core::Tensor;
use flint_kernels::ops;

impl Decoder {
    /// Attention of `layer` over `input` (rows x hidden), as [`Decoder::attend`].
    pub(super) fn attend_latent(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        latent: LatentAttention,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let role = |part| TensorRole::Layer(layer, part);
        let mut narrow = input.clone();
        if latent.query.is_some() {
            narrow = pass.weights.linear(role(LayerPart::QueryDown), None, input)?;
            narrow = self.latent_norm(pass, role(LayerPart::QueryDownNorm), &narrow)?;
        }
        let query = LayerPart::Query(Affine::Weight);
        let query = pass.weights.linear(role(query), None, &narrow)?;
        let query = self.absorbed(pass, layer, latent, &query)?;
        let query = self.rotate(pass, layer, query)?;
        let stored = pass.weights.linear(role(LayerPart::Latent), None, input)?;
        let stored = self.stored(pass, layer, latent, &stored)?;
        let stored = self.rotate(pass, layer, stored)?;
        let rows = pass.batch.places();
        ops::with_slice(&stored, |vector| pass.kv.append(layer, rows, vector, vector))??;
        let mixed = self.mix(pass, layer, &query)?;
        let values = self.values(pass, layer, latent, &mixed)?;
        pass.weights.linear(role(LayerPart::Output(Affine::Weight)), None, &values)
    }

    /// Queries that are compared with stored vectors: for each head its rotated numbers, then the others turned into the latent
    /// space.
    fn absorbed(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        latent: LatentAttention,
        query: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        let (heads, head_dim) = (attention.heads, attention.head_dim);
        let (rows, width) = query.dims2()?;
        let rotated = head_dim - latent.width;
        let mut all = vec![0.0; rows * heads * head_dim];
        for head in 0..heads {
            let first = head * (latent.unrotated + rotated);
            let plain = columns(query, first, latent.unrotated)?;
            let role = TensorRole::Layer(layer, LayerPart::KeyUp(head as u32));
            let turned = pass.weights.linear(role, None, &plain)?;
            ops::with_slice(query, |query| {
                ops::with_slice(&turned, |turned| {
                    for row in 0..rows {
                        let to = &mut all[(row * heads + head) * head_dim..][..head_dim];
                        let from = row * width + first + latent.unrotated;
                        to[..rotated].copy_from_slice(&query[from..from + rotated]);
                        to[rotated..]
                            .copy_from_slice(&turned[row * latent.width..][..latent.width]);
                    }
                })
            })??;
        }
        Ok(ops::from_vec(all, (rows, heads * head_dim))?)
    }

    /// What is stored of each row, not rotated yet.
    fn stored(
        &self,
        pass: &Pass<'_>,
        layer: usize,
        latent: LatentAttention,
        vector: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let (rows, width) = vector.dims2()?;
        let role = TensorRole::Layer(layer, LayerPart::LatentNorm);
        let normed = self.latent_norm(pass, role, &columns(vector, 0, latent.width)?)?;
        let mut all = Vec::with_capacity(rows * width);
        ops::with_slice(vector, |vector| {
            ops::with_slice(&normed, |normed| {
                let each = vector.chunks_exact(width).zip(normed.chunks_exact(latent.width));
                for (vector, normed) in each {
                    all.extend_from_slice(&vector[latent.width..]);
                    all.extend_from_slice(normed);
                }
            })
        })??;
        Ok(ops::from_vec(all, (rows, width))?)
    }

    /// Values of each head from what it mixed: (rows x heads x value size).
    fn values(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        latent: LatentAttention,
        mixed: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        let (heads, head_dim, value) = (attention.heads, attention.head_dim, latent.value);
        let rows = mixed.dim(0)?;
        let mut all = vec![0.0; rows * heads * value];
        for head in 0..heads {
            let first = (head + 1) * head_dim - latent.width;
            let own = columns(mixed, first, latent.width)?;
            let role = TensorRole::Layer(layer, LayerPart::ValueUp(head as u32));
            let values = pass.weights.linear(role, None, &own)?;
            ops::with_slice(&values, |values| {
                for (row, values) in values.chunks_exact(value).enumerate() {
                    all[(row * heads + head) * value..][..value].copy_from_slice(values);
                }
            })?;
        }
        Ok(ops::from_vec(all, (rows, heads * value))?)
    }

    fn latent_norm(
        &self,
        pass: &Pass<'_>,
        role: TensorRole,
        x: &Tensor,
    ) -> Result<Tensor, ModelError> {
        self.norm_rows(self.architecture.norm, pass.weights, |_| role, x)
    }
}

/// `count` columns of `x` from `first` on.
fn columns(x: &Tensor, first: usize, count: usize) -> Result<Tensor, ModelError> {
    Ok(x.narrow(1, first, count)?.contiguous()?)
}
