//! Qwen2 and Qwen2.5 (Alibaba, 2024): Llama with biases on query, key and value. Its sliding window, on the
//! upper layers only, is switched off in what was published.

use super::{Describe, Family, llama};
use crate::architecture::Biases;
use crate::config::Config;
use crate::{Architecture, ModelError, NeuronSources, Role, Source};

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
        architecture.attention.window = window(config, architecture.layers)?;
        Ok(architecture)
    }
}

/// How far each token sees in all layers. A window on some of them is refused.
pub(super) fn window(config: &Config, layers: usize) -> Result<Option<usize>, ModelError> {
    const FIRST: &str = "max_window_layers";
    config.refuse("dual_chunk_attention_config", "attention in chunks")?;
    let listed = config.windowed_layers()?;
    if !config.flag_or("use_sliding_window", false)? || listed == Some(false) {
        return Ok(None);
    }
    let window = match config.mentions("sliding_window") {
        true => config.size_or_absent("sliding_window")?,
        false => Some(DEFAULT_WINDOW),
    };
    if listed == Some(true) || window.is_none() {
        return Ok(window);
    }
    // Layers before this one see everything.
    let first = config.count_or(FIRST, DEFAULT_LAYERS_WITHOUT_WINDOW)?;
    match first {
        0 => Ok(window),
        first if first >= layers => Ok(None),
        first => {
            let expected =
                format!("0 or at least {layers}: windows on some layers only are not supported");
            Err(config.bad(FIRST, &expected, &first.into()))
        }
    }
}

impl Family for Qwen2 {
    fn name(&self) -> &'static str {
        "qwen2"
    }

    fn dense(&self, _: &Architecture, role: Role) -> Source {
        llama::dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}
