//! Where the tensors of a model lie, whatever kind of file they come from.

mod bundle;
mod checkpoint;
mod copies;
mod gguf;

pub(crate) use copies::{CHECKSUMS, COPIES_OF, COPY, copy_dims, data_files};
pub use copies::{STORED_COPIES, remove_stored_copies};
pub(crate) use gguf::GgufMetadata;

use crate::EngineError;
use flint_checkpoint::Rows;
use flint_flash_io::FileId;
use flint_geometry::{DType, Extent};
use flint_model::{Architecture, LayerPart, ModelError, TensorRole, TensorSource};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;

/// What kind of file a model is used from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A bundle of Flint: neurons as records, checksums.
    Bundle,
    /// A checkpoint directory in HuggingFace layout, used as it lies there.
    Checkpoint,
    /// A GGUF file, used as it lies there.
    Gguf,
}

impl SourceKind {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::Bundle => "bundle",
            SourceKind::Checkpoint => "checkpoint",
            SourceKind::Gguf => "gguf",
        }
    }
}

/// A tensor in place: some runs of rows, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredTensor {
    /// Its name in the file.
    pub(crate) name: String,
    pub(crate) dtype: DType,
    /// One size for a vector, two (rows, columns) for a matrix.
    pub(crate) dims: Vec<u64>,
    pub(crate) file: FileId,
    /// Runs of whole rows; of a vector, of its numbers. One after the other they are the tensor.
    pub(crate) runs: Vec<Extent>,
    /// CRC-32C of the tensor, where it is known.
    pub(crate) crc: Option<u32>,
}

/// Which part of a tensor of several matrices to pick, and its sizes: the whole tensor where it is one matrix.
pub(crate) fn in_stack(source: &TensorSource, dims: &[usize]) -> (Option<Rows>, Vec<usize>) {
    let rows = source.rows.as_ref();
    let Some(stack) = source.stack else {
        let rows = rows.map(|rows| Rows { of: rows.of, ranges: rows.ranges.clone() });
        return (rows, dims.to_vec());
    };
    let one = std::iter::once(stack.at..stack.at + 1).collect();
    let mut whole = vec![1];
    whole.extend_from_slice(dims);
    if let Some(rows) = rows {
        whole[1] = rows.of;
    }
    (Some(Rows { of: stack.of, ranges: one }), whole)
}

/// What `source` takes of the matrix at `runs`, which is one of a tensor of several: all, or some rows.
pub(crate) fn rows_in_stack(source: &TensorSource, runs: Vec<Extent>) -> Vec<Extent> {
    let (Some(_), Some(rows), [matrix]) = (source.stack, &source.rows, runs.as_slice()) else {
        return runs;
    };
    let each = matrix.len() / rows.of.max(1) as u64;
    let part = |range: &Range<usize>| {
        Extent::new(matrix.offset() + range.start as u64 * each, range.len() as u64 * each)
    };
    rows.ranges.iter().filter_map(part).collect()
}

/// Some rows of a tensor that lie next to each other in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowBlock {
    pub(crate) first: u64,
    pub(crate) rows: u64,
    pub(crate) extent: Extent,
}

impl StoredTensor {
    pub(crate) fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// Rows of a matrix; numbers of a vector.
    pub(crate) fn rows(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    pub(crate) fn row_bytes(&self) -> u64 {
        self.bytes() / self.rows().max(1)
    }

    /// The tensor in blocks of at most `most` rows, none of which spans two runs.
    pub(crate) fn blocks(&self, most: u64) -> Vec<RowBlock> {
        let (each, mut blocks, mut first) = (self.row_bytes(), Vec::new(), 0);
        for run in &self.runs {
            let rows = run.len() / each.max(1);
            for from in (0..rows).step_by(most.max(1) as usize) {
                let count = most.min(rows - from);
                let extent = Extent::new(run.offset() + from * each, count * each);
                let extent = extent.unwrap_or_else(|| unreachable!("part of a checked extent"));
                blocks.push(RowBlock { first: first + from, rows: count, extent });
            }
            first += rows;
        }
        blocks
    }
}

/// Every tensor that a model computes with, but for neurons that are records.
#[derive(Debug)]
pub(crate) struct Tensors {
    pub(crate) kind: SourceKind,
    /// In the order of their [`FileId`]s.
    pub(crate) files: Vec<PathBuf>,
    tensors: HashMap<TensorRole, StoredTensor>,
}

impl Tensors {
    pub(crate) fn get(&self, role: TensorRole) -> Option<&StoredTensor> {
        self.tensors.get(&role)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &StoredTensor> {
        self.tensors.values()
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut StoredTensor> {
        self.tensors.values_mut()
    }

    pub(crate) fn find(&self, role: TensorRole) -> Result<&StoredTensor, EngineError> {
        let missing = || ModelError::MissingTensor { tensor: role.to_string() }.into();
        self.get(role).ok_or_else(missing)
    }

    pub(crate) fn path(&self, tensor: &StoredTensor) -> PathBuf {
        self.files[tensor.file.0 as usize].clone()
    }

    /// Bytes of all tensors.
    pub(crate) fn bytes(&self) -> u64 {
        self.tensors.values().map(StoredTensor::bytes).sum()
    }

    /// Bytes of the matrices of neurons.
    pub(crate) fn neuron_bytes(&self) -> u64 {
        let is_neurons = |role: &TensorRole| {
            use LayerPart::{Down, Gate, Up};
            matches!(role, TensorRole::Layer(_, Gate(_) | Up(_) | Down))
        };
        let found = self.tensors.iter().filter(|(role, _)| is_neurons(role));
        found.map(|(_, tensor)| tensor.bytes()).sum()
    }

    /// Bytes of each data type, the most first.
    pub(crate) fn bytes_by_dtype(&self) -> Vec<(DType, u64)> {
        let mut types: Vec<(DType, u64)> = Vec::new();
        for tensor in self.tensors.values() {
            match types.iter_mut().find(|(dtype, _)| *dtype == tensor.dtype) {
                Some((_, bytes)) => *bytes += tensor.bytes(),
                None => types.push((tensor.dtype, tensor.bytes())),
            }
        }
        types.sort_by_key(|&(dtype, bytes)| (std::cmp::Reverse(bytes), dtype.name()));
        types
    }

    /// Names of the tensors in their files.
    pub(crate) fn names(&self) -> HashSet<&str> {
        self.tensors.values().map(|tensor| tensor.name.as_str()).collect()
    }

    /// Whether every tensor has a checksum.
    pub(crate) fn checked(&self) -> bool {
        self.tensors.values().all(|tensor| tensor.crc.is_some())
    }

    /// Compares the checksum of a tensor's bytes with what it must be, where that is known.
    pub(crate) fn check_bytes(
        &self,
        tensor: &StoredTensor,
        checksum: impl FnOnce() -> u32,
    ) -> Result<(), EngineError> {
        let Some(expected) = tensor.crc else { return Ok(()) };
        match checksum() {
            got if got == expected => Ok(()),
            got => Err(EngineError::WrongTable {
                file: self.path(tensor),
                tensor: tensor.name.clone(),
                offset: tensor.runs.first().map_or(0, |run| run.offset()),
                expected,
                got,
            }),
        }
    }

    /// Checks that every tensor has the sizes that `architecture` computes with.
    fn check(&self, architecture: &Architecture, whole: bool) -> Result<(), EngineError> {
        let mut specs =
            if whole { architecture.all_tensors() } else { architecture.dense_tensors() };
        specs.extend(architecture.expert_tensors());
        for spec in specs {
            let tensor = self.find(spec.role)?;
            let got: Vec<usize> = tensor.dims.iter().map(|&dim| dim as usize).collect();
            if got != spec.dims {
                let (tensor, expected) = (tensor.name.clone(), spec.dims);
                return Err(ModelError::Misshapen { tensor, expected, got }.into());
            }
        }
        Ok(())
    }
}
