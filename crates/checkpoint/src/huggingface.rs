//! A checkpoint directory in HuggingFace layout: its configuration, texts, and tensors by name.

mod header;
pub(crate) mod index;
pub(crate) mod json;
pub(crate) mod safetensors;
mod text;
pub(crate) mod torch;

pub use text::LARGEST_TOKENIZER;

use crate::CheckpointError;
use crate::picked::{self, Picked, Rows};
use flint_geometry::DType;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most tensors of a checkpoint: dense models have a few thousand.
const MOST_TENSORS: usize = 1 << 16;

/// What the system says of a path at which there is nothing.
const ENOENT: i32 = 2;

/// An open checkpoint. Headers are read and checked; tensors are read on demand.
#[derive(Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    config: Vec<u8>,
    shards: Vec<Shard>,
    tensors: HashMap<String, Stored>,
}

/// One file of tensors.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: Arc<File>,
    header_crc: u32,
}

/// Where a tensor is.
#[derive(Debug, Clone)]
struct Stored {
    name: String,
    shard: usize,
    /// The type by its name in the file; not every tensor is of use.
    kind: String,
    dims: Vec<usize>,
    offset: u64,
}

impl Checkpoint {
    /// Opens the checkpoint in `dir`.
    ///
    /// # Errors
    /// When it is not a checkpoint, or a header is wrong.
    pub fn open(dir: &Path) -> Result<Checkpoint, CheckpointError> {
        let missing = |missing| CheckpointError::NotACheckpoint { dir: dir.to_owned(), missing };
        if text::find(dir)?.is_none() {
            return Err(read_error(dir, io::Error::from_raw_os_error(ENOENT)));
        }
        let config = text::read(&dir.join("config.json"))?.ok_or_else(|| missing("config.json"))?;
        let names =
            index::shards(dir)?.ok_or_else(|| missing("model.safetensors or pytorch_model.bin"))?;
        let mut checkpoint =
            Checkpoint { dir: dir.to_owned(), config, shards: Vec::new(), tensors: HashMap::new() };
        for name in names {
            checkpoint.add_shard(dir.join(name))?;
        }
        Ok(checkpoint)
    }

    fn add_shard(&mut self, path: PathBuf) -> Result<(), CheckpointError> {
        let file = text::open_regular(&path)?;
        let header = match path.extension().is_some_and(|extension| extension == "bin") {
            true => torch::read_header(&path, &file)?,
            false => safetensors::read_header(&path, &file)?,
        };
        if self.tensors.len() + header.tensors.len() > MOST_TENSORS {
            let problem = format!("is one file too many: at most {MOST_TENSORS} tensors are read");
            return Err(CheckpointError::BadFile { path, problem });
        }
        for tensor in header.tensors {
            let stored = Stored {
                name: tensor.name.clone(),
                shard: self.shards.len(),
                kind: tensor.kind,
                dims: tensor.dims,
                offset: tensor.offset,
            };
            if self.tensors.insert(tensor.name.clone(), stored).is_some() {
                let problem = format!("tensor '{}' is there twice", tensor.name);
                return Err(CheckpointError::BadFile { path, problem });
            }
        }
        self.shards.push(Shard { path, file: Arc::new(file), header_crc: header.crc });
        Ok(())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Files of tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// Whether tensors lie in PyTorch files, whose bytes may be laid out in any way.
    pub fn is_pytorch(&self) -> bool {
        self.files().any(|path| path.extension().is_some_and(|extension| extension == "bin"))
    }

    /// Names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The text of `config.json`.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// A text file of the checkpoint; `None` when there is none of that name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        text::read(&self.dir.join(name))
    }

    /// An error about the file `name` of the checkpoint.
    pub(crate) fn bad(&self, name: &str, problem: String) -> CheckpointError {
        CheckpointError::BadFile { path: self.dir.join(name), problem }
    }

    /// A hash of the configuration and of every tensor header.
    pub fn fingerprint(&self) -> String {
        let crc = self.shards.iter().fold(crc32c::crc32c(&self.config), |crc, shard| {
            crc32c::crc32c_append(crc, &shard.header_crc.to_le_bytes())
        });
        format!("crc32c:{crc:08x}")
    }

    /// Rows of the first tensor that has one of `names`, checked to be a tensor of `dims`; all rows when `rows` is `None`.
    ///
    /// # Errors
    /// When there is no such tensor, or it has other sizes or an unsupported data type.
    pub fn pick(
        &self,
        names: &[String],
        rows: Option<&Rows>,
        dims: &[usize],
    ) -> Result<Picked<'_>, CheckpointError> {
        let found = names.iter().find_map(|name| self.tensors.get(name));
        let stored = found.ok_or_else(|| CheckpointError::MissingTensor {
            dir: self.dir.clone(),
            name: names.join("' or '"),
        })?;
        let shard = &self.shards[stored.shard];
        let stored = picked::Stored {
            file: Arc::clone(&shard.file),
            path: &shard.path,
            shard: stored.shard,
            name: &stored.name,
            dims: stored.dims.clone(),
            element: element(shard, stored)?,
            offset: stored.offset,
        };
        Picked::new(stored, rows, dims)
    }
}

fn read_error(path: &Path, cause: io::Error) -> CheckpointError {
    CheckpointError::Read { path: path.to_owned(), cause }
}

fn element(shard: &Shard, stored: &Stored) -> Result<DType, CheckpointError> {
    match stored.kind.as_str() {
        "F16" => Ok(DType::F16),
        "BF16" => Ok(DType::Bf16),
        "F32" => Ok(DType::F32),
        other => Err(CheckpointError::UnsupportedType {
            path: shard.path.clone(),
            name: stored.name.clone(),
            got: other.to_owned(),
        }),
    }
}
