//! The families this version runs. Adding one is one file here and one line in `FAMILIES`.

mod experts;
mod falcon;
mod gemma;
mod llama;
mod mistral;
mod opt;
mod persimmon;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;

use crate::check::check;
use crate::config::Config;
use crate::special_tokens;
use crate::{Affine, Architecture, LayerPart, ModelError, NeuronSources, TensorRole, TensorSource};
use std::fmt;

/// A family of models: how its `config.json` and its tensor names are read.
pub trait Family: fmt::Debug + Sync {
    /// The `model_type` in `config.json`.
    fn name(&self) -> &'static str;

    /// Where a checkpoint keeps the dense tensor for `role`.
    fn dense(&self, architecture: &Architecture, role: TensorRole) -> TensorSource;

    /// Where a checkpoint keeps the neurons of `layer`.
    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources;

    /// Where a checkpoint keeps the tensor for any role, the matrices of the feed-forward included; `None` where the
    /// family has no such tensor. Names of a base model, saved without its head, are among them.
    fn tensor(&self, architecture: &Architecture, role: TensorRole) -> Option<TensorSource> {
        let source = match role {
            TensorRole::Layer(layer, part) => {
                let neurons = || self.neurons(architecture, layer);
                match part {
                    LayerPart::Gate(Affine::Weight) => neurons().gate,
                    LayerPart::Gate(Affine::Bias) => neurons().gate_bias,
                    LayerPart::Up(Affine::Weight) => Some(neurons().up),
                    LayerPart::Up(Affine::Bias) => neurons().up_bias,
                    LayerPart::Down => Some(neurons().down),
                    _ => Some(self.dense(architecture, role)),
                }
            }
            _ => Some(self.dense(architecture, role)),
        };
        source.map(TensorSource::or_of_base_model)
    }
}

/// A family together with the reader of its configuration, which stays private to this crate.
trait Describe: Family {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError>;

    /// Other model types whose checkpoints have the same configuration and tensors.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }
}

impl dyn Describe {
    /// Every `model_type` that is of this family.
    fn types(&self) -> impl Iterator<Item = &'static str> {
        [self.name()].into_iter().chain(self.aliases().iter().copied())
    }
}

static FAMILIES: [&dyn Describe; 15] = [
    &opt::Opt,
    &falcon::Falcon,
    &persimmon::Persimmon,
    &phi::Phi,
    &phi3::Phi3,
    &llama::Llama,
    &mistral::Mistral,
    &qwen2::Qwen2,
    &qwen3::Qwen3,
    &gemma::Gemma2,
    &gemma::Gemma3,
    &experts::Mixtral,
    &experts::Olmoe,
    &experts::GraniteMoe,
    &experts::Qwen3Moe,
];

/// Model types that people will try, and what each still needs.
const BEYOND: [(&str, &str); 5] = [
    ("qwen2_moe", "a shared expert with a gate"),
    (
        "gpt_oss",
        "its weights as a GGUF file: in a directory gate and up of its experts are interleaved",
    ),
    ("deepseek_v2", "its weights as a GGUF file"),
    ("deepseek_v3", "its weights as a GGUF file"),
    ("gemma3", "images (its text model alone, gemma3_text, needs none)"),
];

/// Names of the supported model types.
pub fn supported() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|family| family.types()).collect()
}

/// The texts of a checkpoint that say what the model is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Description<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `generation_config.json`, which may know more ends of text.
    pub generation_config: Option<&'a [u8]>,
    /// `tokenizer_config.json`, which may say how texts begin.
    pub tokenizer_config: Option<&'a [u8]>,
}

/// Reads a `config.json` on its own.
///
/// # Errors
/// As for [`Description::read`].
pub fn describe(config: &[u8]) -> Result<(&'static dyn Family, Architecture), ModelError> {
    Description { config, ..Description::default() }.read()
}

impl Description<'_> {
    /// Reads the texts.
    ///
    /// # Errors
    /// When one is not JSON, the `model_type` is not supported, or a setting is absent, wrong, or asks for
    /// something that the decoder does not do.
    pub fn read(&self) -> Result<(&'static dyn Family, Architecture), ModelError> {
        let config = Config::parse("config.json", self.config)?;
        let beside =
            |file, text: Option<&[u8]>| text.map(|text| Config::parse(file, text)).transpose();
        let generation = beside("generation_config.json", self.generation_config)?;
        let tokenizer = beside("tokenizer_config.json", self.tokenizer_config)?;
        let name = config.text("model_type")?;
        let known = FAMILIES.iter().find(|family| family.types().any(|known| known == name));
        let family = *known.ok_or_else(|| unknown(name))?;
        config.refuse("quantization_config", "a quantised checkpoint")?;
        let mut architecture = family.architecture(&config)?;
        special_tokens::apply(&mut architecture, &config, generation.as_ref(), tokenizer.as_ref())?;
        // What a bundle would be refused for is refused before one is written.
        check("config.json", &architecture)?;
        Ok((family, architecture))
    }
}

fn unknown(name: &str) -> ModelError {
    let supported = supported().join(", ");
    let got = name.chars().take(60).collect();
    match BEYOND.iter().find(|(beyond, _)| *beyond == name) {
        Some(&(_, missing)) => ModelError::Beyond { got, missing, supported },
        None => ModelError::UnknownFamily { got, supported },
    }
}
