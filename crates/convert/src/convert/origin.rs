//! What a bundle is made from: a checkpoint directory or a GGUF file.

use super::ConvertError;
use flint_checkpoint::gguf::{GgufFile, Tensor};
use flint_checkpoint::{Checkpoint, Picked, Rows};
use flint_engine::{
    GGUF_TOKENIZER, UnusedTensors, checkpoint_tokenizer, describe_checkpoint, describe_gguf_file,
};
use flint_model::{Affine, Architecture, Family, LayerPart, ModelError, TensorRole, gguf_source};
use std::path::Path;

/// Text files of a checkpoint that a bundle keeps as they are.
const TEXTS: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
];

/// An open model of somebody else.
#[derive(Debug)]
pub(super) enum Origin {
    Checkpoint { checkpoint: Checkpoint, family: &'static dyn Family },
    Gguf(GgufFile),
}

impl Origin {
    /// Opens the model at `path`, and says what it is.
    pub(super) fn open(path: &Path) -> Result<(Origin, Architecture), ConvertError> {
        if path.is_file() {
            let file = GgufFile::open(path).map_err(flint_engine::EngineError::from)?;
            let (architecture, _) = describe_gguf_file(&file)?;
            return Ok((Origin::Gguf(file), architecture));
        }
        let checkpoint = Checkpoint::open(path)?;
        let (family, architecture) = describe_checkpoint(&checkpoint)?;
        Ok((Origin::Checkpoint { checkpoint, family }, architecture))
    }

    /// The rows of the tensor for `role`, checked to be a tensor of `dims`.
    pub(super) fn pick(
        &self,
        architecture: &Architecture,
        role: TensorRole,
        dims: &[usize],
    ) -> Result<Picked<'_>, ConvertError> {
        let source = match self {
            Origin::Checkpoint { family, .. } => family.tensor(architecture, role),
            Origin::Gguf(file) => {
                gguf_source(architecture, role, &|name| file.find(name).is_some())
            }
        };
        let missing = || ModelError::MissingTensor { tensor: role.to_string() };
        let source = source.ok_or_else(missing)?;
        let rows = source.rows.as_ref();
        let rows = rows.map(|rows| Rows { of: rows.of, ranges: rows.ranges.clone() });
        Ok(match self {
            Origin::Checkpoint { checkpoint, .. } => {
                checkpoint.pick(&source.names, rows.as_ref(), dims)?
            }
            Origin::Gguf(file) => {
                let name = source.names.first().ok_or_else(missing)?;
                file.pick(name, rows.as_ref(), dims)?
            }
        })
    }

    /// The tensor of a layer's feed-forward, where the model has such a one.
    pub(super) fn neurons(
        &self,
        architecture: &Architecture,
        layer: usize,
        part: LayerPart,
    ) -> Result<Option<Picked<'_>>, ConvertError> {
        let (neurons, hidden) = (architecture.neurons(layer), architecture.hidden);
        let (gated, bias) =
            (architecture.feed_forward.gated, architecture.feed_forward.biases.into);
        let (exists, dims) = match part {
            LayerPart::Gate(Affine::Weight) => (gated, vec![neurons, hidden]),
            LayerPart::Gate(Affine::Bias) => (gated && bias, vec![neurons]),
            LayerPart::Up(Affine::Bias) => (bias, vec![neurons]),
            LayerPart::Down => (true, vec![hidden, neurons]),
            _ => (true, vec![neurons, hidden]),
        };
        if !exists {
            return Ok(None);
        }
        self.pick(architecture, TensorRole::Layer(layer, part), &dims).map(Some)
    }

    /// Tensors of the files that the model does not use.
    pub(super) fn unused(
        &self,
        architecture: &Architecture,
    ) -> Result<UnusedTensors, ConvertError> {
        let specs = architecture.all_tensors();
        let picked = specs.iter().map(|spec| self.pick(architecture, spec.role, &spec.dims));
        let picked = picked.collect::<Result<Vec<_>, _>>()?;
        let used = picked.iter().map(Picked::name).collect();
        let tied = architecture.head.tied;
        Ok(match self {
            Origin::Checkpoint { checkpoint, .. } => {
                UnusedTensors::new(checkpoint.names(), &used, tied)
            }
            Origin::Gguf(file) => {
                UnusedTensors::new(file.tensors().iter().map(Tensor::name), &used, tied)
            }
        })
    }

    /// The texts that a bundle keeps, by name. The tokenizer among them says how texts begin.
    pub(super) fn texts(
        &self,
        architecture: &mut Architecture,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, ConvertError> {
        let (mut texts, checkpoint) = match self {
            Origin::Checkpoint { checkpoint, .. } => (Vec::new(), checkpoint),
            Origin::Gguf(file) => {
                let keep = |key: &str| key.starts_with("tokenizer.") || key.starts_with("general.");
                let has_one = file.metadata().value("tokenizer.ggml.tokens").is_some();
                let text = || (GGUF_TOKENIZER, file.metadata().to_bytes(keep));
                return Ok(has_one.then(text).into_iter().collect());
            }
        };
        for name in TEXTS {
            texts.extend(checkpoint.text(name)?.map(|text| (name, text)));
        }
        let tokenizer = checkpoint_tokenizer(checkpoint, architecture)?;
        texts.extend(tokenizer.map(|text| ("tokenizer.json", text)));
        Ok(texts)
    }

    /// A hash of what describes the model.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Origin::Checkpoint { checkpoint, .. } => checkpoint.fingerprint(),
            Origin::Gguf(file) => file.fingerprint(),
        }
    }
}
