//! The dense tensors of a bundle.

use super::{SourceKind, StoredTensor, Tensors};
use crate::EngineError;
use flint_bundle::{Bundle, TensorEntry};
use flint_flash_io::FileId;
use flint_model::Architecture;

impl StoredTensor {
    /// A dense tensor of a bundle.
    pub(crate) fn of_bundle(entry: &TensorEntry) -> StoredTensor {
        StoredTensor {
            name: entry.name.clone(),
            dtype: entry.element,
            dims: entry.dims.clone(),
            file: FileId(0),
            runs: vec![entry.extent],
            crc: Some(entry.crc),
        }
    }
}

impl Tensors {
    /// The dense tensors of `bundle`, checked to be those that `architecture` computes with.
    pub(crate) fn of_bundle(
        bundle: &Bundle,
        architecture: &Architecture,
    ) -> Result<Tensors, EngineError> {
        let stored = architecture.dense_tensors().into_iter().filter_map(|spec| {
            let entry = bundle.tensor(&spec.role.to_string())?;
            Some((spec.role, StoredTensor::of_bundle(entry)))
        });
        let (kind, files) = (SourceKind::Bundle, vec![bundle.dense_path()]);
        let tensors = Tensors { kind, files, tensors: stored.collect() };
        tensors.check(architecture, false)?;
        Ok(tensors)
    }
}
