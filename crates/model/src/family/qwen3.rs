//! Qwen3 (Alibaba, 2025): Qwen2 with an RMS norm on each query and key head in place of the biases, and
//! heads of a width of their own.

use super::{Describe, Family, llama, qwen2};
use crate::architecture::{Biases, HeadNorm};
use crate::config::Config;
use crate::{Architecture, ModelError, NeuronSources, TensorRole, TensorSource};

#[derive(Debug)]
pub(super) struct Qwen3;

impl Describe for Qwen3 {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        // Heads do not share the hidden width: without this setting their width would be a guess.
        config.size("head_dim")?;
        let mut architecture = llama::base(self.name(), qwen2::DEFAULT_CONTEXT, config)?;
        let bias = config.flag_or("attention_bias", false)?;
        architecture.attention.biases = Biases { into: bias, out: bias };
        architecture.attention.head_norm = Some(HeadNorm { kind: architecture.norm, whole: false });
        architecture.attention.window = qwen2::windows(config, architecture.layers)?;
        Ok(architecture)
    }
}

impl Family for Qwen3 {
    fn name(&self) -> &'static str {
        "qwen3"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        llama::dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}
