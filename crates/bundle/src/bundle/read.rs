//! Reads parts of the data files, each checked before it is handed out.

use super::Bundle;
use crate::contents::DataFile;
use crate::{BundleError, Part, PredictorEntry, TensorEntry};
use flint_geometry::{Extent, UnitKey};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

impl Bundle {
    /// Fills `bytes` with a tensor of this bundle and compares it with its checksum.
    ///
    /// # Errors
    /// When the bytes differ from their checksum, or when the system refuses.
    ///
    /// # Panics
    /// When `bytes` is not as long as the tensor.
    pub fn read_tensor_into(
        &self,
        tensor: &TensorEntry,
        bytes: &mut [u8],
    ) -> Result<(), BundleError> {
        let part = || Part::Tensor(tensor.name.clone());
        self.read_section(&self.contents.dense_file, tensor.extent, tensor.crc, part, bytes)
    }

    /// The text file of this name.
    ///
    /// # Errors
    /// When there is none, when its bytes differ from their checksum, or when the system refuses.
    pub fn read_text(&self, name: &str) -> Result<Vec<u8>, BundleError> {
        let found = self.contents.texts.iter().find(|text| text.name == name);
        let Some(text) = found else {
            return Err(BundleError::MissingText { dir: self.dir.clone(), name: name.to_owned() });
        };
        let mut bytes = vec![0; text.extent.len() as usize];
        let part = || Part::Text(name.to_owned());
        self.read_section(&self.contents.texts_file, text.extent, text.crc, part, &mut bytes)?;
        Ok(bytes)
    }

    /// The predictor of `group`; `None` where every neuron of the group is computed, or where the
    /// bundle has no predictors at all.
    ///
    /// # Errors
    /// When its bytes differ from their checksum, or when the system refuses.
    ///
    /// # Panics
    /// When the bundle has predictors and no such group.
    pub fn read_predictor(&self, group: u32) -> Result<Option<Vec<u8>>, BundleError> {
        let contents = &self.contents;
        let (Some(file), Some(all)) = (&contents.predictors_file, &contents.predictors) else {
            return Ok(None);
        };
        let PredictorEntry::Blob { extent, crc } = all.groups[group as usize] else {
            return Ok(None);
        };
        let mut bytes = vec![0; extent.len() as usize];
        self.read_section(file, extent, crc, || Part::Predictor { group }, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Fills `bytes` with the record of a neuron and compares it with its checksum. Whoever reads many does better to read
    /// the extents of [`crate::Group::record_extent`] in the file [`Bundle::neurons_path`], many at once.
    ///
    /// # Errors
    /// When the bytes differ from their checksum, or when the system refuses.
    ///
    /// # Panics
    /// When there is no such neuron, or `bytes` is not as long as the payload of a record.
    pub fn read_record(&self, key: UnitKey, bytes: &mut [u8]) -> Result<(), BundleError> {
        let group = &self.contents.groups[key.group as usize];
        let position = group.position_of(key.neuron);
        let (extent, crc) = (group.record_extent(position), group.record_crc(position));
        let part = || Part::Record { group: key.group, neuron: key.neuron };
        self.read_section(&self.contents.neurons_file, extent, crc, part, bytes)
    }

    fn read_section(
        &self,
        file: &DataFile,
        extent: Extent,
        expected: u32,
        part: impl FnOnce() -> Part,
        bytes: &mut [u8],
    ) -> Result<(), BundleError> {
        assert_eq!(bytes.len() as u64, extent.len(), "length of the buffer for {}", part());
        let path = file.path(&self.dir);
        if let Err(cause) = read_at(&path, extent.offset(), bytes) {
            return Err(BundleError::Io { path, action: "read", cause });
        }
        let got = crc32c::crc32c(bytes);
        if got == expected {
            return Ok(());
        }
        let (offset, len) = (extent.offset(), extent.len());
        Err(BundleError::Checksum { path, part: part(), offset, len, expected, got })
    }
}

fn read_at(path: &std::path::Path, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

/// A record whose bytes are not those that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record has checksum {got:08x}, expected {expected:08x}")]
pub struct RecordMismatch {
    /// CRC-32C in the manifest.
    pub expected: u32,
    /// CRC-32C of the bytes.
    pub got: u32,
}

/// Compares the payload of a record with its checksum from [`crate::Group::record_crc`].
///
/// # Errors
/// When they differ.
pub fn check_record(payload: &[u8], expected: u32) -> Result<(), RecordMismatch> {
    let got = crc32c::crc32c(payload);
    if got == expected { Ok(()) } else { Err(RecordMismatch { expected, got }) }
}
