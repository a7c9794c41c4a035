//! Vectors of a text on disk, as f16: one file per layer.

use flint_predictor::States;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Vectors that are read back from a file.
pub(super) struct FileStates {
    file: File,
    width: usize,
    tokens: usize,
    bytes: Vec<u8>,
}

impl FileStates {
    /// Vectors of `width` numbers in the file at `path`.
    pub(super) fn open(path: &Path, width: usize) -> io::Result<FileStates> {
        let file = File::open(path)?;
        let tokens = file.metadata()?.len() as usize / (width * size_of::<f16>());
        Ok(FileStates { file, width, tokens, bytes: Vec::new() })
    }
}

impl States for FileStates {
    fn width(&self) -> usize {
        self.width
    }

    fn tokens(&self) -> usize {
        self.tokens
    }

    fn read(&mut self, first: usize, out: &mut [f32]) -> io::Result<()> {
        self.bytes.resize(out.len() * size_of::<f16>(), 0);
        let offset = first * self.width * size_of::<f16>();
        self.file.read_exact_at(&mut self.bytes, offset as u64)?;
        let pairs = self.bytes.as_chunks::<2>().0;
        for (number, &pair) in out.iter_mut().zip(pairs) {
            *number = f16::from_le_bytes(pair).to_f32();
        }
        Ok(())
    }
}

/// Writes vectors one after the other.
pub(super) struct StatesWriter {
    file: BufWriter<File>,
    rounded: Vec<f16>,
}

impl StatesWriter {
    pub(super) fn create(path: &Path) -> io::Result<StatesWriter> {
        Ok(StatesWriter { file: BufWriter::new(File::create(path)?), rounded: Vec::new() })
    }

    /// Adds numbers, rounded to f16.
    pub(super) fn extend(&mut self, numbers: &[f32]) -> io::Result<()> {
        self.rounded.resize(numbers.len(), f16::ZERO);
        self.rounded.convert_from_f32_slice(numbers);
        self.rounded.iter().try_for_each(|number| self.file.write_all(&number.to_le_bytes()))
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()
    }
}
