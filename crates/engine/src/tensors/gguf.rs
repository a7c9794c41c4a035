//! The tensors of a GGUF file, used as they lie there, and what the file says of its model.

use super::{SourceKind, StoredTensor, Tensors, in_stack, rows_in_stack};
use crate::EngineError;
use flint_checkpoint::gguf::{FromValue, GgufError, GgufFile, Shard, Tensor};
use flint_flash_io::FileId;
use flint_geometry::DType;
use flint_model::{Architecture, Metadata, ModelError, gguf_source};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Most numbers of a short tensor that is read with the metadata.
const MOST_NUMBERS: u64 = 1 << 16;

impl Tensors {
    /// Finds every tensor that `architecture` computes with.
    pub(crate) fn of_gguf(
        file: &GgufFile,
        architecture: &Architecture,
    ) -> Result<Tensors, EngineError> {
        let mut tensors = HashMap::new();
        let specs = architecture.all_tensors().into_iter();
        for spec in specs.chain(architecture.expert_tensors()) {
            let missing = || ModelError::MissingTensor { tensor: spec.role.to_string() };
            let exists = |name: &str| file.find(name).is_some();
            let source = gguf_source(architecture, spec.role, &exists).ok_or_else(missing)?;
            let name = source.names.first().ok_or_else(missing)?;
            let (rows, dims) = in_stack(&source, &spec.dims);
            let picked = file.pick(name, rows.as_ref(), &dims)?;
            let (shard, runs) = picked.extents();
            let runs = rows_in_stack(&source, runs);
            let stored = StoredTensor {
                name: picked.name().to_owned(),
                dtype: picked.element(),
                dims: spec.dims.iter().map(|&dim| dim as u64).collect(),
                file: FileId(shard as u32),
                runs,
                crc: None,
            };
            tensors.insert(spec.role, stored);
        }
        let files = file.shards().iter().map(|shard| Shard::path(shard).to_owned()).collect();
        let tensors = Tensors { kind: SourceKind::Gguf, files, tensors };
        tensors.check(architecture, true)?;
        Ok(tensors)
    }
}

/// What the file says wrongly, on its way through the model crate.
fn supplied(error: GgufError) -> ModelError {
    ModelError::supplier(EngineError::from(error))
}

/// Sizes of a tensor, rows first.
fn sizes(tensor: &Tensor) -> Vec<usize> {
    tensor.dims().iter().rev().map(|&dim| dim as usize).collect()
}

/// What a GGUF file says, for the model crate.
pub(crate) struct GgufMetadata<'a>(pub(crate) &'a GgufFile);

impl GgufMetadata<'_> {
    fn get<'b, T: FromValue<'b>>(&'b self, key: &str) -> Result<Option<T>, ModelError> {
        let metadata = self.0.metadata();
        let key = metadata.architecture_key(key).map_err(supplied)?;
        metadata.get(&key).map_err(supplied)
    }
}

impl Metadata for GgufMetadata<'_> {
    fn architecture(&self) -> Result<String, ModelError> {
        self.0.metadata().architecture().map(str::to_owned).map_err(supplied)
    }

    fn number(&self, key: &str) -> Result<Option<u64>, ModelError> {
        self.get(key)
    }

    fn real(&self, key: &str) -> Result<Option<f64>, ModelError> {
        // Files hold f32; 1e-5 there is not 1e-5 in f64, and is meant as it stands.
        Ok(self.get::<f32>(key)?.map(f64::from))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.get(key)
    }

    fn text(&self, key: &str) -> Result<Option<String>, ModelError> {
        Ok(self.get::<&str>(key)?.map(str::to_owned))
    }

    fn per_layer(&self, key: &str, layers: usize) -> Result<Option<Vec<u64>>, ModelError> {
        let metadata = self.0.metadata();
        let key = metadata.architecture_key(key).map_err(supplied)?;
        let layers = u32::try_from(layers).unwrap_or(u32::MAX);
        metadata.per_layer(&key, layers).map_err(supplied)
    }

    fn dims(&self, tensor: &str) -> Option<Vec<usize>> {
        self.0.find(tensor).map(sizes)
    }

    fn vector(&self, tensor: &str) -> Result<Option<Vec<f32>>, ModelError> {
        let Some(tensor) = self.0.find(tensor) else { return Ok(None) };
        let len = tensor.extent().len();
        let dtype = self.0.dtype(tensor).map_err(supplied)?;
        if dtype != DType::F32 || len > 4 * MOST_NUMBERS {
            let (tensor, got) = (tensor.name().to_owned(), sizes(tensor));
            return Err(ModelError::Misshapen { tensor, expected: Vec::new(), got });
        }
        let path = self.0.shards()[tensor.shard()].path();
        let mut bytes = vec![0; len as usize];
        let read = File::open(path)
            .and_then(|file| file.read_exact_at(&mut bytes, tensor.extent().offset()));
        read.map_err(|cause| {
            ModelError::supplier(EngineError::File { path: path.to_owned(), cause })
        })?;
        let numbers = bytes.as_chunks::<4>().0.iter();
        Ok(Some(numbers.map(|&four| f32::from_le_bytes(four)).collect()))
    }
}
