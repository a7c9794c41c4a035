//! Tensor files of PyTorch: a zip archive of plain storages and a pickle that says what is where.
//!
//! The pickle is a program. Ours is a reader of the few instructions that describe tensors: it runs nothing
//! and refuses what it does not know. Storages are stored uncompressed, so tensors are read in place.

mod archive;
mod directory;
mod error;
mod pickle;

use super::header::{Header, HeaderTensor};
use super::{CheckpointError, read_error};
use archive::Archive;
use directory::ReadAt;
use pickle::Tensor;
use std::fs::File;
use std::path::Path;

/// Reads and checks what the file at `path` says of its tensors.
pub(super) fn read_header(path: &Path, file: &File) -> Result<Header, CheckpointError> {
    let size = file.metadata().map_err(|cause| read_error(path, cause))?.len();
    parse(file, size).map_err(|problem| CheckpointError::BadFile { path: path.to_owned(), problem })
}

/// Reads and checks what a file of `size` bytes says of its tensors.
pub(crate) fn parse<R: ReadAt + ?Sized>(file: &R, size: u64) -> Result<Header, String> {
    let archive = Archive::open(file, size).map_err(|error| error.to_string())?;
    let program = archive.program(file).map_err(|cause| format!("cannot be read: {cause}"))?;
    let entries = pickle::read(&program).map_err(|error| error.to_string())?;
    let located = entries.into_iter().map(|(name, tensor)| {
        locate(&archive, name, &tensor).map_err(|problem| problem.to_string())
    });
    Ok(Header { tensors: located.collect::<Result<_, _>>()?, crc: archive.checksum(&program) })
}

/// How many plain tensors a pickle describes; for [`super::parsers`].
pub(crate) fn describe(program: &[u8]) -> Result<usize, String> {
    let tensors = pickle::read(program).map_err(|error| error.to_string())?;
    Ok(tensors.iter().filter(|(_, tensor)| tensor.is_contiguous()).count())
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
        return Err(Misplaced { name, storage: tensor.storage.key.to_string() });
    };
    let kind = match tensor.is_contiguous() {
        true => tensor.storage.kind.name.to_owned(),
        false => format!("{} with strides {:?}", tensor.storage.kind.name, tensor.strides),
    };
    // The numbers were counted, and none is larger than they are in all (an empty tensor aside).
    let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX)).collect();
    Ok(HeaderTensor { name, kind, dims, offset })
}
