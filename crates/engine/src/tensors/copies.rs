//! Low-bit copies that a bundle keeps for drafts: `drafts.gguf`, a GGUF file of Q4_0 tensors under the names that bundles use. It
//! says of which data files it is, and holds a checksum of each tensor. What it holds decides no output.

use super::{SourceKind, StoredTensor, Tensors};
use crate::EngineError;
use flint_bundle::Bundle;
use flint_checkpoint::gguf::{GgufError, GgufFile};
use flint_flash_io::FileId;
use flint_geometry::DType;
use flint_model::{Architecture, LayerPart, TensorRole};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Name of the file in its bundle.
pub const STORED_COPIES: &str = "drafts.gguf";

/// The encoding of copies.
pub(crate) const COPY: DType = DType::Q4_0;

/// Keys of what the file says of itself.
pub(crate) const COPIES_OF: &str = "flint.copies_of";
pub(crate) const CHECKSUMS: &str = "flint.crc32c";

/// The data files of a bundle, whose names come from their checksums.
pub(crate) fn data_files(bundle: &Bundle) -> String {
    let names = [bundle.dense_path(), bundle.neurons_path()];
    names.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).join(" ")
}

/// Sizes of the copy of a tensor of these sizes: neurons go up to a whole block.
pub(crate) fn copy_dims(role: TensorRole, dims: &[u64]) -> Vec<u64> {
    let mut dims = dims.to_vec();
    let neurons = match role {
        TensorRole::Layer(_, LayerPart::Down) => dims.last_mut(),
        TensorRole::Layer(_, LayerPart::Gate(_) | LayerPart::Up(_)) => dims.first_mut(),
        _ => None,
    };
    neurons.into_iter().for_each(|count| *count = count.next_multiple_of(COPY.block_len() as u64));
    dims
}

/// Removes the copies from the bundle at `dir`, which holds other weights now.
///
/// # Errors
/// When they are there and cannot be removed.
pub fn remove_stored_copies(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(STORED_COPIES)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Tensors {
    /// The copies that the bundle at `dir` keeps, where it has some: of any of its matrices. They are read as the last one of
    /// its files, after `others`.
    ///
    /// # Errors
    /// When the file is malformed or is that of other weights.
    pub(crate) fn of_copies(
        dir: &Path,
        bundle: &Bundle,
        architecture: &Architecture,
        others: Vec<PathBuf>,
    ) -> Result<Option<Tensors>, EngineError> {
        let path = dir.join(STORED_COPIES);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let bad = |cause: String| EngineError::BadCopies { path: path.clone(), cause };
        let malformed = |error: GgufError| bad(error.to_string());
        let file = GgufFile::open(&path).map_err(malformed)?;
        let of = file.metadata().get::<&str>(COPIES_OF).map_err(malformed)?;
        if of != Some(&data_files(bundle)) {
            return Err(bad("they are of other weights".to_owned()));
        }
        let checksums = file.metadata().list::<u32>(CHECKSUMS).map_err(malformed)?;
        let checksums = checksums.unwrap_or_default();
        if checksums.len() != file.tensors().len() || file.shards().len() != 1 {
            return Err(bad(format!("'{CHECKSUMS}' has not one number for each tensor")));
        }
        let found = file.tensors().iter().zip(checksums);
        let found: HashMap<&str, _> = found.map(|(it, crc)| (it.name(), (it, crc))).collect();
        let (id, mut tensors) = (FileId(others.len() as u32), HashMap::new());
        for spec in architecture.all_tensors() {
            let name = spec.role.to_string();
            let Some(&(tensor, crc)) = found.get(name.as_str()) else { continue };
            let dims: Vec<u64> = spec.dims.iter().map(|&dim| dim as u64).collect();
            let dims = copy_dims(spec.role, &dims);
            if !tensor.dims().iter().rev().eq(&dims) || tensor.kind().dtype() != Some(COPY) {
                return Err(bad(format!("tensor '{name}' has other sizes or another type")));
            }
            let (runs, crc) = (vec![tensor.extent()], Some(crc));
            tensors
                .insert(spec.role, StoredTensor { name, dtype: COPY, dims, file: id, runs, crc });
        }
        let files = others.into_iter().chain([path]).collect();
        Ok(Some(Tensors { kind: SourceKind::Gguf, files, tensors }))
    }
}
