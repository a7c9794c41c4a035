//! What a manifest says, after every check: the one description that reader and writer share.

use crate::{Calibration, DataFileKind, Group, Predictors, Provenance, TensorEntry, TextEntry};
use flint_geometry::ModelShape;
use std::path::{Path, PathBuf};

/// One data file: its role, what makes its name its own, and its exact length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataFile {
    pub(crate) role: DataFileKind,
    pub(crate) suffix: u64,
    pub(crate) len: u64,
}

impl DataFile {
    /// Path of the file in the bundle at `dir`.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.role.file_name(self.suffix))
    }
}

/// A whole manifest. Sections tile their files, names are unique, counts agree with the shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contents {
    pub(crate) source: Provenance,
    pub(crate) shape: ModelShape,
    pub(crate) architecture: String,
    pub(crate) dense_file: DataFile,
    pub(crate) neurons_file: DataFile,
    pub(crate) texts_file: DataFile,
    /// Present exactly when `predictors` is.
    pub(crate) predictors_file: Option<DataFile>,
    pub(crate) tensors: Vec<TensorEntry>,
    pub(crate) groups: Vec<Group>,
    pub(crate) texts: Vec<TextEntry>,
    pub(crate) predictors: Option<Predictors>,
    pub(crate) calibration: Option<Calibration>,
}

impl Contents {
    /// Every data file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &DataFile> {
        [&self.dense_file, &self.neurons_file, &self.texts_file]
            .into_iter()
            .chain(&self.predictors_file)
    }
}
