//! Mistral (Mistral AI, 2023): Llama with a sliding window of attention, which later versions switch off.

use super::{Describe, Family, llama};
use crate::config::Config;
use crate::{Architecture, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource};

const DEFAULT_CONTEXT: usize = 131_072;
const DEFAULT_BEGIN: u32 = 1;
const DEFAULT_END: u32 = 2;
/// Positions that a token sees when the configuration does not say; null there means all.
const DEFAULT_WINDOW: usize = 4096;

#[derive(Debug)]
pub(super) struct Mistral;

impl Describe for Mistral {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        const WINDOW: &str = "sliding_window";
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, config)?;
        let window = match config.mentions(WINDOW) {
            true => config.size_or_absent(WINDOW)?,
            false => Some(DEFAULT_WINDOW),
        };
        let listed = config.windowed_layers(architecture.layers)?;
        let window = match listed.map(|windowed| PerLayer::of(windowed).same()) {
            None | Some(Some(true)) => window,
            Some(Some(false)) => None,
            // Other programs read such a list in different ways, or not at all.
            Some(None) => return Err(config.mixed_layers()),
        };
        architecture.attention.window = PerLayer::Same(window);
        architecture.begin_of_text = config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN));
        architecture.end_of_text = config.tokens_or("eos_token_id", &[DEFAULT_END])?;
        Ok(architecture)
    }
}

impl Family for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        llama::dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}
