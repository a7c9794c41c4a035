//! `manifest.bin` as bytes: a header, then the payload of one format version.

mod at_most;
mod check;
mod header;
mod v1;

pub use header::FORMAT_VERSION;

use crate::contents::Contents;
use crate::data_file_kind::MANIFEST;
use crate::{BundleError, ManifestFault};
use header::{HEADER_BYTES, Header};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of a manifest file. One of OPT-175B takes about 30 MB, most of it record checksums.
pub(crate) const MAX_MANIFEST: u64 = 256 << 20;

pub(crate) use check::{check_dims, check_name, distinct_neurons};

/// Reads and checks the manifest of the bundle at `dir`; looks at no other file.
pub(crate) fn read(dir: &Path) -> Result<Contents, BundleError> {
    let path = dir.join(MANIFEST);
    let bytes = read_capped(dir, &path)?;
    decode(&path, &bytes)
}

/// The bytes of a manifest that says `contents`. They are parsed again first: what this crate
/// writes, it can read.
pub(crate) fn encode(path: &Path, contents: &Contents) -> Result<Vec<u8>, BundleError> {
    let fault = |fault| BundleError::Manifest { path: path.to_owned(), fault };
    let payload = v1::ManifestV1::from(contents).encode().map_err(fault)?;
    let mut bytes = Header::of(&payload).encode().to_vec();
    bytes.extend_from_slice(&payload);
    check_length(path, bytes.len() as u64)?;
    decode(path, &bytes)?;
    Ok(bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Contents, BundleError> {
    let payload = header::split(path, bytes)?;
    v1::ManifestV1::decode(payload)
        .and_then(check::check)
        .map_err(|fault| BundleError::Manifest { path: path.to_owned(), fault })
}

/// Decodes and checks the payload of a manifest, without its header; for fuzz targets.
///
/// # Errors
/// The first contradiction.
pub fn check_payload(payload: &[u8]) -> Result<(), ManifestFault> {
    v1::ManifestV1::decode(payload).and_then(check::check).map(drop)
}

fn read_capped(dir: &Path, path: &Path) -> Result<Vec<u8>, BundleError> {
    let failed = |cause| BundleError::Io { path: path.to_owned(), action: "read", cause };
    let len = match fs::metadata(path) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(BundleError::NotRegular { path: path.to_owned() }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(BundleError::NotABundle { dir: dir.to_owned() });
        }
        Err(cause) => return Err(failed(cause)),
    };
    check_length(path, len)?;
    // The cap holds even when the file grows after it was asked for its length.
    let mut bytes = Vec::with_capacity(len as usize);
    File::open(path).map_err(failed)?.take(MAX_MANIFEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn check_length(path: &Path, got: u64) -> Result<(), BundleError> {
    let path = || path.to_owned();
    if got > MAX_MANIFEST {
        return Err(BundleError::ManifestTooLong { path: path(), limit: MAX_MANIFEST, got });
    }
    if got < HEADER_BYTES as u64 {
        return Err(BundleError::FileLength { path: path(), expected: HEADER_BYTES as u64, got });
    }
    Ok(())
}
