//! Single values of the metadata, and what is said where one is absent or wrong.

use super::Metadata;
use crate::ModelError;

/// What errors say that a value is from.
pub(super) const FILE: &str = "the GGUF metadata";

pub(super) fn required(metadata: &dyn Metadata, key: &str) -> Result<usize, ModelError> {
    let value = metadata.number(key)?.ok_or_else(|| absent(key))?;
    usize::try_from(value).map_err(|_| wrong(key, "a size"))
}

pub(super) fn absent(key: &str) -> ModelError {
    ModelError::BadValue {
        file: FILE,
        key: key.to_owned(),
        expected: "a value".to_owned(),
        got: "nothing".to_owned(),
    }
}

pub(super) fn wrong(key: &str, expected: &str) -> ModelError {
    ModelError::BadValue {
        file: FILE,
        key: key.to_owned(),
        expected: expected.to_owned(),
        got: "something else".to_owned(),
    }
}
