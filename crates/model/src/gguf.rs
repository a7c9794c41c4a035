//! Models by the metadata and the tensor names of GGUF files.
//!
//! Sources: `docs/gguf.md` of ggml, and the conversion of llama.cpp, which fixes per architecture how rows are ordered:
//! `llama` files hold the rows of query and key so that neighbours are rotated against each other, all others here hold
//! halves.

mod experts;
mod families;
mod names;
mod notes;
mod rotary;
mod values;

pub use families::supported as supported_gguf;
pub use names::gguf_source;
pub use notes::gguf_notes;

use crate::{Architecture, ModelError};

/// What a GGUF file says, read by whoever knows the format. Keys are without the prefix of the architecture.
pub trait Metadata {
    /// `general.architecture`.
    ///
    /// # Errors
    /// When the file does not say it.
    fn architecture(&self) -> Result<String, ModelError>;

    /// A whole number.
    ///
    /// # Errors
    /// When the value is of another type.
    fn number(&self, key: &str) -> Result<Option<u64>, ModelError>;

    /// A number with a fraction.
    ///
    /// # Errors
    /// When the value is of another type.
    fn real(&self, key: &str) -> Result<Option<f64>, ModelError>;

    /// Yes or no.
    ///
    /// # Errors
    /// When the value is of another type.
    fn flag(&self, key: &str) -> Result<Option<bool>, ModelError>;

    /// A text.
    ///
    /// # Errors
    /// When the value is of another type.
    fn text(&self, key: &str) -> Result<Option<String>, ModelError>;

    /// A whole number for each of `layers` layers, given once or as a list.
    ///
    /// # Errors
    /// When the value is of another type or length.
    fn per_layer(&self, key: &str, layers: usize) -> Result<Option<Vec<u64>>, ModelError>;

    /// Sizes of a tensor, rows first; `None` where there is no such tensor.
    fn dims(&self, tensor: &str) -> Option<Vec<usize>>;

    /// The numbers of a short tensor of f32; `None` where there is no such tensor.
    ///
    /// # Errors
    /// When it cannot be read.
    fn vector(&self, tensor: &str) -> Result<Option<Vec<f32>>, ModelError>;
}

/// Reads what a GGUF file says of its model. How texts begin and end is the tokenizer's matter.
///
/// # Errors
/// When the architecture is not supported, or a value is absent, wrong, or asks for something that the decoder does
/// not do.
pub fn describe_gguf(metadata: &dyn Metadata) -> Result<Architecture, ModelError> {
    let architecture = families::read(metadata)?;
    crate::check::check(values::FILE, &architecture)?;
    Ok(architecture)
}
