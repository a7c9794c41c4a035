//! Qwen2 and Qwen2.5 (Alibaba, 2024): Llama with biases on query, key and value, and a sliding window on the upper
//! layers where that is switched on.

use super::{Describe, Family, llama};
use crate::architecture::Biases;
use crate::config::Config;
use crate::{Architecture, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource};

/// What the configuration class assumes.
pub(super) const DEFAULT_CONTEXT: usize = 32_768;
const DEFAULT_WINDOW: usize = 4096;
const DEFAULT_LAYERS_WITHOUT_WINDOW: usize = 28;

#[derive(Debug)]
pub(super) struct Qwen2;

impl Describe for Qwen2 {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, config)?;
        architecture.attention.biases = Biases { into: true, out: false };
        architecture.attention.window = windows(config, architecture.layers)?;
        Ok(architecture)
    }
}

/// How far a row of each layer sees. A list of the layers' kinds counts before the number of lower layers without
/// a window.
pub(super) fn windows(
    config: &Config,
    layers: usize,
) -> Result<PerLayer<Option<usize>>, ModelError> {
    config.refuse("dual_chunk_attention_config", "attention in chunks")?;
    let listed = config.windowed_layers(layers)?;
    if !config.flag_or("use_sliding_window", false)? {
        return Ok(PerLayer::Same(None));
    }
    let window = match config.mentions("sliding_window") {
        true => config.size_or_absent("sliding_window")?,
        false => Some(DEFAULT_WINDOW),
    };
    let first = config.count_or("max_window_layers", DEFAULT_LAYERS_WITHOUT_WINDOW)?;
    let windowed = listed.unwrap_or_else(|| (0..layers).map(|layer| layer >= first).collect());
    Ok(PerLayer::of(windowed.into_iter().map(|here| window.filter(|_| here)).collect()))
}

impl Family for Qwen2 {
    fn name(&self) -> &'static str {
        "qwen2"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        llama::dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}
