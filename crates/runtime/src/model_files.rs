//! A bundle together with what its architecture text says: open and checked, nothing loaded.

use crate::{RuntimeError, TextCodec};
use flint_bundle::Bundle;
use flint_model::Architecture;
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
    pub fn open(path: &Path) -> Result<ModelFiles, RuntimeError> {
        let bundle = Bundle::open(path)?;
        let architecture = Architecture::from_json(bundle.architecture())?;
        let described = architecture.shape(bundle.shape().record.element())?;
        if described != *bundle.shape() {
            return Err(RuntimeError::ShapeConflict { path: path.to_path_buf() });
        }
        for (layer, group) in bundle.groups().iter().enumerate() {
            if (0..group.neurons()).any(|position| group.neuron_at(position) != position) {
                return Err(RuntimeError::UnknownOrder { layer });
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
    pub fn codec(&self) -> Result<Option<TextCodec>, RuntimeError> {
        if !self.bundle.texts().iter().any(|text| text.name == TOKENIZER) {
            return Ok(None);
        }
        TextCodec::parse(&self.bundle.read_text(TOKENIZER)?).map(Some)
    }

    /// Checks that every token is in the vocabulary.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<(), RuntimeError> {
        let vocabulary = self.architecture.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(RuntimeError::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }
}
