//! The tensors of a checkpoint directory, used as they lie in its safetensors files.

use super::{SourceKind, StoredTensor, Tensors};
use crate::EngineError;
use flint_checkpoint::{Checkpoint, Rows};
use flint_flash_io::FileId;
use flint_model::{Architecture, Family, ModelError};
use std::collections::HashMap;
use std::path::Path;

impl Tensors {
    /// Finds every tensor that `architecture` computes with, the matrices of the feed-forward included.
    pub(crate) fn of_checkpoint(
        checkpoint: &Checkpoint,
        family: &dyn Family,
        architecture: &Architecture,
    ) -> Result<Tensors, EngineError> {
        let mut tensors = HashMap::new();
        for spec in architecture.all_tensors() {
            let missing = || ModelError::MissingTensor { tensor: spec.role.to_string() };
            let source = family.tensor(architecture, spec.role).ok_or_else(missing)?;
            let rows = source.rows.as_ref();
            let rows = rows.map(|rows| Rows { of: rows.of, ranges: rows.ranges.clone() });
            let picked = checkpoint.pick(&source.names, rows.as_ref(), &spec.dims)?;
            let (file, runs) = picked.extents();
            let tensor = StoredTensor {
                name: picked.name().to_owned(),
                dtype: picked.element(),
                dims: spec.dims.iter().map(|&dim| dim as u64).collect(),
                file: FileId(file as u32),
                runs,
                crc: None,
            };
            tensors.insert(spec.role, tensor);
        }
        let files = checkpoint.files().map(Path::to_owned).collect();
        let tensors = Tensors { kind: SourceKind::Checkpoint, files, tensors };
        tensors.check(architecture, true)?;
        Ok(tensors)
    }
}
