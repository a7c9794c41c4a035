//! The attention block: project, rotate, remember, attend, project back.

use super::{Decoder, Pass};
use crate::{Affine, LayerPart, ModelError, RotaryPositions, TensorRole};
use candle_core::Tensor;
use flint_kernels::{AttentionSpec, Rotary, ops};

impl Decoder {
    /// Attention of `layer` over `input` (rows x hidden): each row over its own sequence. Keys and values of the rows
    /// enter the store.
    ///
    /// # Errors
    /// When a tensor is missing, or a key or value cannot be stored.
    pub fn attend(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        if let Some(latent) = attention.latent {
            return self.attend_latent(pass, layer, latent, input);
        }
        let biases = attention.biases;
        let query = project(pass, layer, LayerPart::Query, biases.into, input)?;
        let key = project(pass, layer, LayerPart::Key, biases.into, input)?;
        let value = project(pass, layer, LayerPart::Value, biases.into, input)?;

        let query = self.position(pass, layer, LayerPart::QueryNorm, query)?;
        let key = self.position(pass, layer, LayerPart::KeyNorm, key)?;
        let rows = pass.batch.places();
        ops::with_slice(&key, |k| {
            ops::with_slice(&value, |v| pass.kv.append(layer, rows, k, v))
        })???;

        let mixed = self.mix(pass, layer, &query)?;
        project(pass, layer, LayerPart::Output, biases.out, &mixed)
    }

    /// What each head of `query` (rows x heads x head size) takes from the values of its own sequence.
    pub(super) fn mix(
        &self,
        pass: &Pass<'_>,
        layer: usize,
        query: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        let sinks = TensorRole::Layer(layer, LayerPart::Sinks);
        let spec = AttentionSpec {
            heads: attention.heads,
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            scale: attention.scale.unwrap_or(1.0 / (attention.head_dim as f32).sqrt()),
            softcap: attention.softcap,
            window: self.architecture.window(layer),
            sinks: attention.sinks.then(|| pass.weights.vector(sinks)).transpose()?,
        };
        Ok(ops::attention(query, &self.compute, &spec, pass.kv, layer, pass.batch.places())?)
    }

    /// Norms each head where the family does so, then rotates it where positions are rotary.
    fn position(
        &self,
        pass: &Pass<'_>,
        layer: usize,
        head_norm: fn(Affine) -> LayerPart,
        heads: Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        let (rows, width) = heads.dims2()?;
        let mut heads = heads;
        if let Some(by_head) = attention.head_norm {
            let normed = if by_head.whole { width } else { attention.head_dim };
            let each = heads.reshape((rows * width / normed, normed))?;
            let role = |affine| TensorRole::Layer(layer, head_norm(affine));
            heads =
                self.norm_rows(by_head.kind, pass.weights, role, &each)?.reshape((rows, width))?;
        }
        self.rotate(pass, layer, heads)
    }

    /// Rotates heads where positions are rotary.
    pub(super) fn rotate(
        &self,
        pass: &Pass<'_>,
        layer: usize,
        heads: Tensor,
    ) -> Result<Tensor, ModelError> {
        let count = heads.dim(1)? / self.architecture.attention.head_dim;
        let local =
            self.local_rotary.as_ref().filter(|_| self.architecture.window(layer).is_some());
        match local.or(self.rotary.as_ref()) {
            Some(rotary) => Ok(ops::rotary(&heads, rotary, count, pass.batch.places())?),
            None => Ok(heads),
        }
    }
}

fn project(
    pass: &mut Pass<'_>,
    layer: usize,
    part: fn(Affine) -> LayerPart,
    bias: bool,
    input: &Tensor,
) -> Result<Tensor, ModelError> {
    let bias = bias.then(|| TensorRole::Layer(layer, part(Affine::Bias)));
    pass.weights.linear(TensorRole::Layer(layer, part(Affine::Weight)), bias, input)
}

/// The rotation of heads of `head_dim` numbers that `positions` ask for in a run of `context` tokens.
pub(super) fn rotary(
    head_dim: usize,
    positions: Option<&RotaryPositions>,
    context: usize,
) -> Option<Rotary> {
    let positions = positions?;
    let rotary = Rotary::new(head_dim, positions.dims, positions.theta, positions.scale);
    let rotary = rotary.with_pairs(positions.pairs).with_factors(positions.factors_in(context));
    Some(rotary.with_magnitude(positions.magnitude.unwrap_or(1.0)))
}
