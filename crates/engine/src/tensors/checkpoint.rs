//! The tensors of a checkpoint directory, used as they lie in its safetensors files.

use super::{SourceKind, StoredTensor, Tensors, in_stack, rows_in_stack};
use crate::EngineError;
use flint_checkpoint::Checkpoint;
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
        let specs = architecture.all_tensors().into_iter();
        for spec in specs.chain(architecture.expert_tensors()) {
            let missing = || ModelError::MissingTensor { tensor: spec.role.to_string() };
            let source = family.tensor(architecture, spec.role).ok_or_else(missing)?;
            let (rows, dims) = in_stack(&source, &spec.dims);
            let picked = checkpoint.pick(&source.names, rows.as_ref(), &dims)?;
            let (file, runs) = picked.extents();
            let runs = rows_in_stack(&source, runs);
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
