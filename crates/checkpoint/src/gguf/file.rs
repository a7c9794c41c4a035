//! An open GGUF model: its metadata and the places of its tensors, over one file or all parts of a split one.

use super::error::{GgufError, SplitFault, TensorFault};
use super::header::{Header, MOST_TENSORS};
use super::metadata::Metadata;
use super::shards;
use super::tensor::Tensor;
use flint_geometry::DType;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::mem;
use std::path::{Path, PathBuf};

/// A GGUF model whose header was read and checked. No file stays open, and no tensor is held.
#[derive(Debug)]
pub struct GgufFile {
    shards: Vec<Shard>,
    metadata: Metadata,
    tensors: Vec<Tensor>,
    by_name: HashMap<String, usize>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    path: PathBuf,
    bytes: u64,
    version: u32,
    alignment: u64,
}

impl Shard {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Version of the format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Every tensor begins at a multiple of this many bytes: a power of two from 8 to 65536.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }
}

/// A file whose header was read.
struct Part {
    path: PathBuf,
    bytes: u64,
    header: Header,
}

impl GgufFile {
    /// Reads the header of the model at `path`: of a split model the first part, beside which the others are found.
    ///
    /// # Errors
    /// When a file is missing, no GGUF file, cut short or damaged, or parts do not belong together.
    pub fn open(path: &Path) -> Result<GgufFile, GgufError> {
        let first = Part::open(path, 0)?;
        let count = shards::count(path, &first.header)?;
        if count == 1 {
            return GgufFile::of(first, Vec::new());
        }
        let expected = u64::from(shards::total(&first.header)?);
        let mut rest = Vec::new();
        let mut got = first.header.tensors.len() as u64;
        for no in 1..count {
            let part = match Part::open(&shards::path(path, no, count)?, rest.len() + 1) {
                Err(GgufError::Read { path, cause }) if cause.kind() == io::ErrorKind::NotFound => {
                    return Err(shards::fault(&path, SplitFault::Missing { count }));
                }
                part => part?,
            };
            shards::check(&part.path, &part.header, no, count, &first.header)?;
            got += part.header.tensors.len() as u64;
            if got > expected.min(MOST_TENSORS) {
                return Err(shards::fault(&part.path, SplitFault::TensorCount { expected, got }));
            }
            rest.push(part);
        }
        match got == expected {
            true => GgufFile::of(first, rest),
            false => Err(shards::fault(path, SplitFault::TensorCount { expected, got })),
        }
    }

    /// Reads the header of a model of one file from `source`, which has `bytes` bytes; `path` is for messages.
    ///
    /// # Errors
    /// When it is not a GGUF file, cut short or damaged, or part of a split model.
    pub fn from_reader(path: &Path, source: impl Read, bytes: u64) -> Result<GgufFile, GgufError> {
        let header = Header::read(path, source, bytes, 0)?;
        match shards::count(path, &header)? {
            1 => GgufFile::of(Part { path: path.to_owned(), bytes, header }, Vec::new()),
            count => Err(shards::fault(path, SplitFault::Missing { count })),
        }
    }

    /// Puts the parts together. The later ones describe nothing but their place in the model.
    fn of(mut first: Part, rest: Vec<Part>) -> Result<GgufFile, GgufError> {
        let mut tensors = mem::take(&mut first.header.tensors);
        let mut shards = vec![first.shard()];
        for mut part in rest {
            tensors.append(&mut part.header.tensors);
            shards.push(part.shard());
        }
        let mut by_name = HashMap::with_capacity(tensors.len());
        for (index, tensor) in tensors.iter().enumerate() {
            if by_name.insert(tensor.name.clone(), index).is_some() {
                let path = shards[tensor.shard].path.clone();
                let (name, fault) = (tensor.name.clone(), TensorFault::Twice);
                return Err(GgufError::Tensor { path, name, fault });
            }
        }
        Ok(GgufFile { shards, metadata: first.header.metadata, tensors, by_name })
    }

    /// What the file says of the model; of a split model, what its first part says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The files: one, or the parts of a split model in order.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Every tensor, in the order of the files.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor of this name; `None` where there is none.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.by_name.get(name).map(|&index| &self.tensors[index])
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, GgufError> {
        self.find(name).ok_or_else(|| self.fault(name, TensorFault::Missing))
    }

    /// The data type of `tensor`.
    ///
    /// # Errors
    /// When it is stored in a type that is only known by name.
    pub fn dtype(&self, tensor: &Tensor) -> Result<DType, GgufError> {
        let unsupported = || self.fault(&tensor.name, TensorFault::UnsupportedType(tensor.kind));
        tensor.kind.dtype().ok_or_else(unsupported)
    }

    fn fault(&self, name: &str, fault: TensorFault) -> GgufError {
        let shard = self.find(name).map_or(0, Tensor::shard);
        GgufError::Tensor { path: self.shards[shard].path.clone(), name: name.to_owned(), fault }
    }
}

impl Part {
    /// Reads the header of the regular file at `path`: opening a pipe would wait for whoever writes to it.
    fn open(path: &Path, shard: usize) -> Result<Part, GgufError> {
        let path = path.to_owned();
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(_) if fs::read_link(&path).is_ok() => return Err(GgufError::DeadLink { path }),
            Err(cause) => return Err(GgufError::Read { path, cause }),
        };
        if !found.is_file() {
            return Err(GgufError::NotRegular { path });
        }
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = match opened {
            Ok(opened) => opened,
            Err(cause) => return Err(GgufError::Read { path, cause }),
        };
        let header = Header::read(&path, BufReader::new(file), bytes, shard)?;
        Ok(Part { path, bytes, header })
    }

    fn shard(&self) -> Shard {
        let Header { version, alignment, .. } = self.header;
        Shard { path: self.path.clone(), bytes: self.bytes, version, alignment }
    }
}
