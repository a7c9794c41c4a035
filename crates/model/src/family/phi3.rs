//! Phi-3 and Phi-3.5 (Microsoft, 2024): Llama with fused projections, and a window on every layer where one is named.

use super::{Describe, Family, llama};
use crate::config::Config;
use crate::source::Rows;
use crate::{
    Affine, Architecture, LayerPart, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource,
};

/// What the configuration class assumes.
const DEFAULT_CONTEXT: usize = 4096;
const DEFAULT_BEGIN: u32 = 1;
const DEFAULT_END: u32 = 32_000;

#[derive(Debug)]
pub(super) struct Phi3;

impl Describe for Phi3 {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let config = config.with_default("rms_norm_eps", 1e-5.into());
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, &config)?;
        architecture.attention.window = PerLayer::Same(config.size_or_absent("sliding_window")?);
        architecture.begin_of_text = config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN));
        architecture.end_of_text = config.tokens_or("eos_token_id", &[DEFAULT_END])?;
        Ok(architecture)
    }
}

impl Family for Phi3 {
    fn name(&self) -> &'static str {
        "phi3"
    }

    fn dense(&self, architecture: &Architecture, role: TensorRole) -> TensorSource {
        let (query, kv) = (architecture.query_width(), architecture.kv_width());
        let (layer, rows) = match role {
            TensorRole::Layer(layer, LayerPart::Query(Affine::Weight)) => (layer, 0..query),
            TensorRole::Layer(layer, LayerPart::Key(Affine::Weight)) => (layer, query..query + kv),
            TensorRole::Layer(layer, LayerPart::Value(Affine::Weight)) => {
                (layer, query + kv..query + 2 * kv)
            }
            _ => return llama::dense(role),
        };
        let rows = Rows { of: query + 2 * kv, ranges: std::iter::once(rows).collect() };
        fused(layer, "self_attn.qkv_proj.weight", rows)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        let neurons = architecture.neurons(layer);
        let half = |rows| {
            let rows = Rows { of: 2 * neurons, ranges: std::iter::once(rows).collect() };
            fused(layer, "mlp.gate_up_proj.weight", rows)
        };
        NeuronSources {
            gate: Some(half(0..neurons)),
            up: half(neurons..2 * neurons),
            ..llama::neurons(architecture, layer)
        }
    }
}

fn fused(layer: usize, name: &str, rows: Rows) -> TensorSource {
    TensorSource { rows: Some(rows), ..TensorSource::named(format!("model.layers.{layer}.{name}")) }
}
