//! A complete bundle, open for reading: everything its manifest says, and its files where it says.

mod hold;
mod read;
mod scan;
mod verify;

pub(crate) use hold::wait_for_openers;
pub use read::{RecordMismatch, check_record};

use crate::contents::{Contents, DataFile};
use crate::{
    BundleError, Calibration, Group, Predictors, Provenance, TensorEntry, TextEntry, manifest,
};
use flint_geometry::ModelShape;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An open bundle. It holds the checked manifest, no data file and no weights.
#[derive(Debug, Clone)]
pub struct Bundle {
    dir: PathBuf,
    contents: Contents,
    /// Keeps the files in place until they are opened, should another bundle take its place.
    _hold: Option<hold::Hold>,
    /// Index of each tensor in the table.
    by_name: HashMap<String, usize>,
}

impl Bundle {
    /// Opens the bundle at `dir`: reads and checks the manifest, and that every file is there in
    /// its full length. Weights are not read.
    ///
    /// # Errors
    /// When it is not a bundle, of a newer format version, damaged, or when the system refuses.
    pub fn open(dir: &Path) -> Result<Bundle, BundleError> {
        let hold = hold::Hold::take(dir)?;
        Ok(Bundle { _hold: hold, ..Bundle::of(dir, manifest::read(dir)?)? })
    }

    /// The bundle that `contents` describe, whether or not its manifest is there yet.
    pub(crate) fn of(dir: &Path, contents: Contents) -> Result<Bundle, BundleError> {
        contents.files().try_for_each(|file| check_file(&file.path(dir), file))?;
        let names = contents.tensors.iter().map(|tensor| tensor.name.clone());
        let by_name = names.zip(0..).collect();
        Ok(Bundle { dir: dir.to_owned(), contents, _hold: None, by_name })
    }

    /// Where the bundle is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where it came from.
    pub fn source(&self) -> &Provenance {
        &self.contents.source
    }

    /// Sizes of the model.
    pub fn shape(&self) -> &ModelShape {
        &self.contents.shape
    }

    /// The text that the writer was given: what the model crate knows about the family.
    pub fn architecture(&self) -> &str {
        &self.contents.architecture
    }

    /// Every dense tensor, neuron biases included, in file order.
    pub fn tensors(&self) -> &[TensorEntry] {
        &self.contents.tensors
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry> {
        self.by_name.get(name).map(|&index| &self.contents.tensors[index])
    }

    /// The neuron groups, one per layer.
    pub fn groups(&self) -> &[Group] {
        &self.contents.groups
    }

    /// The gate bias of `group`: one f32 per neuron, in ascending order of neurons.
    ///
    /// # Panics
    /// When there is no such group.
    pub fn gate_bias(&self, group: u32) -> Option<&TensorEntry> {
        let index = self.contents.groups[group as usize].gate_bias;
        index.map(|index| &self.contents.tensors[index as usize])
    }

    /// The up bias of `group`: one f32 per neuron, in ascending order of neurons.
    ///
    /// # Panics
    /// When there is no such group.
    pub fn up_bias(&self, group: u32) -> Option<&TensorEntry> {
        let index = self.contents.groups[group as usize].up_bias;
        index.map(|index| &self.contents.tensors[index as usize])
    }

    /// The text files of the checkpoint.
    pub fn texts(&self) -> &[TextEntry] {
        &self.contents.texts
    }

    /// What predicts active neurons, where the bundle has it.
    pub fn predictors(&self) -> Option<&Predictors> {
        self.contents.predictors.as_ref()
    }

    /// What was measured with the predictors.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.contents.calibration.as_ref()
    }

    /// The file of the dense tensors.
    pub fn dense_path(&self) -> PathBuf {
        self.contents.dense_file.path(&self.dir)
    }

    /// The file of the neuron records; extents of [`Group`] are extents of this file.
    pub fn neurons_path(&self) -> PathBuf {
        self.contents.neurons_file.path(&self.dir)
    }

    /// Bytes of all weights, without padding: dense tensors and neuron records.
    pub fn weights_bytes(&self) -> u64 {
        let dense: u64 = self.contents.tensors.iter().map(|tensor| tensor.extent.len()).sum();
        dense + self.contents.shape.neuron_bytes()
    }

    /// Bytes of all data files on disk.
    pub fn file_bytes(&self) -> u64 {
        self.contents.files().map(|file| file.len).sum()
    }

    /// The description alone.
    pub(crate) fn into_contents(self) -> Contents {
        self.contents
    }
}

/// Whether the file is there, a regular file, in its full length.
fn check_file(path: &Path, file: &DataFile) -> Result<(), BundleError> {
    let path = || path.to_owned();
    match fs::metadata(path()) {
        Ok(found) if !found.is_file() => Err(BundleError::NotRegular { path: path() }),
        Ok(found) if found.len() == file.len => Ok(()),
        Ok(found) => {
            Err(BundleError::FileLength { path: path(), expected: file.len, got: found.len() })
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Err(BundleError::MissingFile { path: path() })
        }
        Err(cause) => Err(BundleError::Io { path: path(), action: "look at", cause }),
    }
}
