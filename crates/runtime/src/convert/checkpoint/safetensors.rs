//! The header of a safetensors file, read without mapping or loading the file.
//!
//! Attacks that end here: a header length past the file or of terabytes, a header that is no JSON, tensors
//! that overlap, leave gaps, run backwards or past the end, sizes whose product wraps, a file cut short.

use super::header::{Header, HeaderTensor};
use super::{CheckpointError, read_error};
use ::safetensors::tensor::Metadata;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Largest header that is read: the format's own limit.
const LARGEST_HEADER: u64 = 100_000_000;

/// Bytes of the header length at the start of the file.
const LENGTH_BYTES: u64 = 8;

/// Reads and checks the header.
pub(super) fn read_header(path: &Path, file: &File) -> Result<Header, CheckpointError> {
    let bad = |problem: String| CheckpointError::BadFile { path: path.to_owned(), problem };
    let size = file.metadata().map_err(|cause| read_error(path, cause))?.len();
    if size < LENGTH_BYTES {
        return Err(bad(format!("{size} bytes are too few for a safetensors file")));
    }
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact_at(&mut length, 0).map_err(|cause| read_error(path, cause))?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER || length > size - LENGTH_BYTES {
        return Err(bad(format!("is no safetensors file: a header of {length} bytes in {size}")));
    }
    let mut text = vec![0; length as usize];
    file.read_exact_at(&mut text, LENGTH_BYTES).map_err(|cause| read_error(path, cause))?;
    // Deserialising checks that tensors tile the data without overlap or gap and agree with their sizes.
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|error| bad(format!("bad header: {error}")))?;
    let data = LENGTH_BYTES + length;
    let end = metadata.tensors().values().map(|info| info.data_offsets.1 as u64).max();
    let expected = data.saturating_add(end.unwrap_or(0));
    if expected != size {
        return Err(CheckpointError::BadLength { path: path.to_owned(), expected, got: size });
    }
    let tensors = metadata.tensors().into_iter().map(|(name, info)| HeaderTensor {
        name,
        kind: format!("{:?}", info.dtype),
        dims: info.shape.clone(),
        offset: data + info.data_offsets.0 as u64,
    });
    Ok(Header { tensors: tensors.collect(), crc: crc32c::crc32c(&text) })
}
