//! Tensor files of PyTorch: a zip archive of plain storages and a pickle that says what is where.
//!
//! The pickle is a program. Ours is a reader of the few instructions that describe tensors: it runs nothing
//! and refuses what it does not know. Storages are stored uncompressed, so tensors are read in place.

mod archive;
mod pickle;

use super::header::{Header, HeaderTensor};
use super::{CheckpointError, read_error};
use archive::Archive;
use pickle::Tensor;
use std::fs::File;
use std::path::Path;

/// Reads and checks what the file at `path` says of its tensors.
pub(super) fn read_header(path: &Path, file: &File) -> Result<Header, CheckpointError> {
    let bad = |problem: String| CheckpointError::BadFile { path: path.to_owned(), problem };
    let size = file.metadata().map_err(|cause| read_error(path, cause))?.len();
    let archive = Archive::open(file, size).map_err(|error| bad(error.to_string()))?;
    let program = archive.program(file).map_err(|cause| read_error(path, cause))?;
    let entries = pickle::read(&program).map_err(|error| bad(error.to_string()))?;
    let located = entries.into_iter().map(|(name, tensor)| {
        locate(&archive, name, &tensor).map_err(|problem| bad(problem.to_string()))
    });
    Ok(Header { tensors: located.collect::<Result<_, _>>()?, crc: archive.checksum(&program) })
}

/// A tensor that is not where the pickle says.
#[derive(Debug, thiserror::Error)]
#[error("tensor '{name}' does not lie within its storage '{storage}'")]
struct Misplaced {
    name: String,
    storage: String,
}

/// Finds the bytes of a tensor, and checks that its storage has them.
fn locate(archive: &Archive, name: String, tensor: &Tensor) -> Result<HeaderTensor, Misplaced> {
    let each = tensor.storage.kind.bytes;
    let place = archive.storage(&tensor.storage.key).and_then(|held| {
        let numbers = tensor.dims.iter().try_fold(1u64, |all, &dim| all.checked_mul(dim))?;
        let (first, len) = (tensor.first.checked_mul(each)?, numbers.checked_mul(each)?);
        let fits = first.checked_add(len)? <= held.end - held.start;
        fits.then_some(held.start + first)
    });
    let Some(offset) = place else {
        return Err(Misplaced { name, storage: tensor.storage.key.clone() });
    };
    let kind = match tensor.is_contiguous() {
        true => tensor.storage.kind.name.to_owned(),
        false => format!("{} with strides {:?}", tensor.storage.kind.name, tensor.strides),
    };
    // The numbers were counted, and none is larger than they are in all (an empty tensor aside).
    let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX)).collect();
    Ok(HeaderTensor { name, kind, dims, offset })
}
