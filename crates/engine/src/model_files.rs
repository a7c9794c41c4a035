//! A bundle together with what its architecture text says: open and checked, nothing loaded.

use crate::{EngineError, TextCodec};
use flint_bundle::{Bundle, PredictorEntry};
use flint_checkpoint::LARGEST_TOKENIZER;
use flint_model::{Architecture, ModelError};
use flint_predictor::{GateCopyGroup, LowRankGroup};
use std::path::Path;

/// Name under which a bundle keeps its tokenizer.
const TOKENIZER: &str = "tokenizer.json";

/// An open bundle.
#[derive(Debug)]
pub struct ModelFiles {
    pub(crate) bundle: Bundle,
    pub(crate) architecture: Architecture,
}

impl ModelFiles {
    /// Opens the bundle at `path`.
    ///
    /// # Errors
    /// When it is no bundle, or one that does not check.
    pub fn open(path: &Path) -> Result<ModelFiles, EngineError> {
        if !path.exists() {
            return Err(EngineError::NoSuchBundle { path: path.to_path_buf() });
        }
        let bundle = Bundle::open(path)?;
        let architecture = Architecture::from_json(bundle.architecture())?;
        let described = architecture.shape(bundle.shape().record.element())?;
        if described != *bundle.shape() {
            return Err(EngineError::ShapeConflict { path: path.to_path_buf() });
        }
        check_tensors(&bundle, &architecture)?;
        check_predictors(&bundle)?;
        for (layer, group) in bundle.groups().iter().enumerate() {
            if (0..group.neurons()).any(|position| group.neuron_at(position) != position) {
                return Err(EngineError::UnknownOrder { layer });
            }
        }
        Ok(ModelFiles { bundle, architecture })
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What the model is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The tokenizer, where the bundle has one.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn codec(&self) -> Result<Option<TextCodec>, EngineError> {
        let Some(text) = self.bundle.texts().iter().find(|text| text.name == TOKENIZER) else {
            return Ok(None);
        };
        let size = text.extent.len();
        if size > LARGEST_TOKENIZER {
            let cause = format!("it has {size} bytes, at most {LARGEST_TOKENIZER} are read");
            return Err(EngineError::BadTokenizer { cause });
        }
        TextCodec::parse(&self.bundle.read_text(TOKENIZER)?).map(Some)
    }

    /// Checks that every token is in the vocabulary.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<(), EngineError> {
        let vocabulary = self.architecture.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(EngineError::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }
}

/// The tensors of a bundle must be exactly those that its architecture computes with.
fn check_tensors(bundle: &Bundle, architecture: &Architecture) -> Result<(), EngineError> {
    let specs = architecture.dense_tensors();
    for spec in &specs {
        let name = spec.role.to_string();
        let Some(entry) = bundle.tensor(&name) else {
            return Err(ModelError::MissingTensor { tensor: name }.into());
        };
        let got: Vec<usize> = entry.dims.iter().map(|&dim| dim as usize).collect();
        if got != spec.dims {
            let expected = spec.dims.clone();
            return Err(ModelError::Misshapen { tensor: name, expected, got }.into());
        }
    }
    let (wanted, gated) = (architecture.feed_forward.biases.into, architecture.feed_forward.gated);
    let mut biases = 0;
    for layer in 0..bundle.shape().layers {
        let (gate, up) = (bundle.gate_bias(layer), bundle.up_bias(layer));
        if up.is_some() != wanted || gate.is_some() != (wanted && gated) {
            let tensor = format!("groups.{layer}.up_bias");
            return Err(EngineError::BiasConflict { tensor, wanted });
        }
        biases += usize::from(gate.is_some()) + usize::from(up.is_some());
    }
    match bundle.tensors().len() - biases {
        count if count == specs.len() => Ok(()),
        count => Err(EngineError::TensorCount { expected: specs.len(), got: count }),
    }
}

/// Predictors are read whole: none may be longer than the longest of any kind, a cascade of
/// the highest rank.
fn check_predictors(bundle: &Bundle) -> Result<(), EngineError> {
    /// Room for the headers of a predictor and its stages.
    const HEADER: u64 = 128;
    let shape = bundle.shape();
    let (width, neurons) = (shape.record.width(), shape.neurons as usize);
    let low_rank = LowRankGroup::bytes_of(width, neurons, width.min(neurons));
    let most =
        low_rank + GateCopyGroup::bytes_of(width, neurons, GateCopyGroup::MOST_BITS) + HEADER;
    let entries = bundle.predictors().map_or(&[][..], |found| &found.groups);
    for (layer, entry) in entries.iter().enumerate() {
        if let PredictorEntry::Blob { extent, .. } = entry
            && extent.len() > most
        {
            let len = extent.len();
            let cause = format!("that of layer {layer} has {len} bytes, at most {most} are read");
            return Err(EngineError::WrongPredictors { cause });
        }
    }
    Ok(())
}
