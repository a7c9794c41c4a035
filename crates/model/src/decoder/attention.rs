//! The attention block: project, rotate, remember, attend, project back.

use super::{Decoder, Pass};
use crate::architecture::{Architecture, RotaryScale};
use crate::{Affine, LayerPart, ModelError, Role};
use candle_core::Tensor;
use flint_kernels::{AttentionSpec, Rotary, RotaryScaling, ops};

impl Decoder {
    /// Attention of `layer` over `input` (tokens x hidden); keys and values enter the cache.
    pub(super) fn attention(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let attention = &self.architecture.attention;
        let biases = attention.biases;
        let query = project(pass, layer, LayerPart::Query, biases.into, input)?;
        let key = project(pass, layer, LayerPart::Key, biases.into, input)?;
        let value = project(pass, layer, LayerPart::Value, biases.into, input)?;

        let query = self.position(pass, layer, LayerPart::QueryNorm, query)?;
        let key = self.position(pass, layer, LayerPart::KeyNorm, key)?;
        remember(pass, layer, &key, &value)?;

        let spec = AttentionSpec {
            heads: attention.heads,
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            scale: 1.0 / (attention.head_dim as f32).sqrt(),
            window: attention.window,
        };
        let first = pass.first_position;
        let mixed = ops::attention(&query, &self.compute, &spec, pass.cache, layer, first)?;
        project(pass, layer, LayerPart::Output, biases.out, &mixed)
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
        let (tokens, width) = heads.dims2()?;
        let mut heads = heads;
        if let Some(by_head) = attention.head_norm {
            let each = heads.reshape((tokens * width / attention.head_dim, attention.head_dim))?;
            let role = |affine| Role::Layer(layer, head_norm(affine));
            heads = self.norm_rows(by_head.kind, pass, role, &each)?.reshape((tokens, width))?;
        }
        match &self.rotary {
            Some(rotary) => {
                let count = width / attention.head_dim;
                Ok(ops::rotary(&heads, rotary, count, pass.first_position)?)
            }
            None => Ok(heads),
        }
    }
}

/// Adds the keys and values of this pass to the cache.
fn remember(
    pass: &mut Pass<'_>,
    layer: usize,
    key: &Tensor,
    value: &Tensor,
) -> Result<(), ModelError> {
    let first = pass.first_position;
    ops::with_slice(key, |k| ops::with_slice(value, |v| pass.cache.append(layer, k, v, first)))??;
    Ok(())
}

fn project(
    pass: &mut Pass<'_>,
    layer: usize,
    part: fn(Affine) -> LayerPart,
    bias: bool,
    input: &Tensor,
) -> Result<Tensor, ModelError> {
    let bias = bias.then(|| Role::Layer(layer, part(Affine::Bias)));
    pass.weights.linear(Role::Layer(layer, part(Affine::Weight)), bias, input)
}

/// The rotation that an architecture asks for.
pub(super) fn rotary(architecture: &Architecture) -> Option<Rotary> {
    let attention = &architecture.attention;
    let positions = attention.rotary.as_ref()?;
    let scaling = match positions.scale {
        RotaryScale::None => RotaryScaling::None,
        RotaryScale::Linear { factor } => RotaryScaling::Linear { factor },
        RotaryScale::Llama3 { factor, low, high, original_context } => {
            RotaryScaling::Llama3 { factor, low, high, original_context: original_context as f64 }
        }
    };
    Some(Rotary::new(attention.head_dim, positions.dims, positions.theta, scaling))
}
