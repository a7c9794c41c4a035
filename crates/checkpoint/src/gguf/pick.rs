//! Rows of a tensor of a GGUF file, read one piece at a time.

use super::file::GgufFile;
use crate::picked::Stored;
use crate::{CheckpointError, Picked, Rows};
use std::fs::File;
use std::sync::Arc;

impl GgufFile {
    /// Rows of the tensor `name`, checked to be a tensor of `dims` (outermost first); all rows when `rows` is `None`.
    /// Quantised tensors are read as they are stored.
    ///
    /// # Errors
    /// When there is no such tensor, it has other sizes or a data type that is only known by name, or its file cannot
    /// be opened.
    pub fn pick(
        &self,
        name: &str,
        rows: Option<&Rows>,
        dims: &[usize],
    ) -> Result<Picked<'_>, CheckpointError> {
        let missing = || CheckpointError::MissingTensor {
            dir: self.shards()[0].path().to_owned(),
            name: name.to_owned(),
        };
        let tensor = self.find(name).ok_or_else(missing)?;
        let path = self.shards()[tensor.shard()].path();
        let unsupported = |_| CheckpointError::UnsupportedType {
            path: path.to_owned(),
            name: name.to_owned(),
            got: tensor.kind().to_string(),
        };
        let element = self.dtype(tensor).map_err(unsupported)?;
        let file = File::open(path)
            .map_err(|cause| CheckpointError::Read { path: path.to_owned(), cause })?;
        let stored = Stored {
            file: Arc::new(file),
            path,
            shard: tensor.shard(),
            name: tensor.name(),
            dims: tensor.dims().iter().rev().map(|&dim| dim as usize).collect(),
            element,
            offset: tensor.extent().offset(),
        };
        Picked::new(stored, rows, dims)
    }

    /// A hash of the metadata and of the table of tensors.
    pub fn fingerprint(&self) -> String {
        let metadata = crc32c::crc32c(&self.metadata().to_bytes(|_| true));
        let crc = self.tensors().iter().fold(metadata, |crc, tensor| {
            let line = format!("{} {:?} {:?}", tensor.name(), tensor.kind(), tensor.dims());
            crc32c::crc32c_append(crc, line.as_bytes())
        });
        format!("crc32c:{crc:08x}")
    }
}
