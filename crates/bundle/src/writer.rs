//! Writes a bundle as a stream: tensors, groups and texts in any order, then one commit.

mod commit;
mod directory;
mod estimate;
mod partial;
mod records;
mod section_file;
mod tensors;

use commit::Progress;
pub(crate) use commit::commit;
pub(crate) use directory::Directory;
pub(crate) use section_file::SectionFile;

use crate::contents::Contents;
use crate::data_file_kind::MANIFEST;
use crate::manifest::check_name;
use crate::{
    Bundle, BundleError, DataFileKind, Group, ManifestFault, Named, Provenance, TensorEntry,
    TextEntry,
};
use flint_geometry::ModelShape;
use records::OpenGroup;
use std::collections::HashSet;
use std::path::Path;
use tensors::OpenTensor;

/// What to do where there is a bundle already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse.
    Refuse,
    /// Replace it. The old bundle stays whole until the new one is committed.
    Force,
}

/// A bundle being written. Dropping it without [`BundleWriter::commit`] removes what it wrote.
///
/// After an error the writer is good for nothing but to be dropped.
#[derive(Debug)]
pub struct BundleWriter {
    shape: ModelShape,
    source: Provenance,
    architecture: String,
    dense_file: SectionFile,
    neurons_file: SectionFile,
    texts_file: SectionFile,
    tensors: Vec<TensorEntry>,
    tensor_names: HashSet<String>,
    open_tensor: Option<OpenTensor>,
    groups: Vec<Group>,
    open_group: Option<OpenGroup>,
    texts: Vec<TextEntry>,
    /// Last, so that it outlives the files: a directory that is empty again is removed.
    directory: Directory,
}

impl BundleWriter {
    /// Starts a bundle at `dir`, which is made where it is missing. `architecture` is kept as it
    /// is.
    ///
    /// # Errors
    /// When there is a bundle and `overwrite` refuses, when another process writes to it,
    /// when the source has a name that no bundle may have, or when the system refuses.
    pub fn create(
        dir: &Path,
        overwrite: Overwrite,
        shape: ModelShape,
        source: Provenance,
        architecture: String,
    ) -> Result<BundleWriter, BundleError> {
        let directory = Directory::create(dir)?;
        for field in [&source.family, &source.converter, &source.fingerprint] {
            check_name(Named::Provenance, field).map_err(|fault| directory.fault(fault))?;
        }
        if overwrite == Overwrite::Refuse && directory.path().join(MANIFEST).exists() {
            return Err(BundleError::Exists { dir: dir.to_owned() });
        }
        directory.remove_leftovers();
        Ok(BundleWriter {
            shape,
            source,
            architecture,
            dense_file: SectionFile::create(&directory, DataFileKind::Dense)?,
            neurons_file: SectionFile::create(&directory, DataFileKind::Neurons)?,
            texts_file: SectionFile::create(&directory, DataFileKind::Texts)?,
            tensors: Vec::new(),
            tensor_names: HashSet::new(),
            open_tensor: None,
            groups: Vec::new(),
            open_group: None,
            texts: Vec::new(),
            directory,
        })
    }

    /// Stores a text file of the checkpoint under its plain name.
    ///
    /// # Errors
    /// When the name is not plain or is taken, or when the system refuses.
    pub fn text(&mut self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.check(check_name(Named::Text, name))?;
        if self.texts.iter().any(|text| text.name == name) {
            let name = name.to_owned();
            return self.check(Err(ManifestFault::DuplicateName { what: Named::Text, name }));
        }
        let (extent, crc) = self.texts_file.section(bytes)?;
        self.texts.push(TextEntry { name: name.to_owned(), extent, crc });
        Ok(())
    }

    /// Bytes written so far, padding included.
    pub fn bytes_written(&self) -> u64 {
        [&self.dense_file, &self.neurons_file, &self.texts_file].map(SectionFile::len).iter().sum()
    }

    /// Makes everything durable and completes the bundle; removes the one it replaces.
    ///
    /// # Errors
    /// When groups are missing, or when the system refuses. The directory then holds the
    /// bundle that it held before, or none; what else is left in it the next writer removes.
    ///
    /// # Panics
    /// When a tensor or a group is not finished.
    pub fn commit(self) -> Result<Bundle, BundleError> {
        self.complete(None)
    }

    /// The same, but reads every byte back and checks it before the bundle is complete: a disk that
    /// does not keep what it was given costs no bundle that was there before. `progress` is told
    /// the bytes done and the bytes there are.
    ///
    /// # Errors
    /// As for [`BundleWriter::commit`], and when something that was read back differs.
    ///
    /// # Panics
    /// When a tensor or a group is not finished.
    pub fn commit_verified(
        self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Bundle, BundleError> {
        self.complete(Some(progress))
    }

    fn complete(self, verified: Option<Progress<'_>>) -> Result<Bundle, BundleError> {
        assert!(self.open_tensor.is_none(), "a tensor is not finished");
        assert!(self.open_group.is_none(), "a group is not finished");
        let mut files = vec![self.dense_file, self.neurons_file, self.texts_file];
        let [dense_file, neurons_file, texts_file] = &mut files[..] else {
            unreachable!("three files")
        };
        let contents = Contents {
            source: self.source,
            shape: self.shape,
            architecture: self.architecture,
            dense_file: dense_file.finish()?,
            neurons_file: neurons_file.finish()?,
            texts_file: texts_file.finish()?,
            predictors_file: None,
            tensors: self.tensors,
            groups: self.groups,
            texts: self.texts,
            predictors: None,
            calibration: None,
        };
        commit(&self.directory, &contents, files, verified)
    }

    fn check(&self, found: Result<(), ManifestFault>) -> Result<(), BundleError> {
        found.map_err(|fault| self.directory.fault(fault))
    }
}
