//! One pass over one data file, front to back: checksums of sections, zeros between them.

use crate::{BundleError, Part};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Bytes asked for at once.
const CHUNK: usize = 1 << 20;

/// A file being read in order.
pub(super) struct Scan<'a> {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
    /// Told how many bytes were read each time.
    read: &'a mut dyn FnMut(u64),
}

impl<'a> Scan<'a> {
    /// At the first byte of the file.
    pub(super) fn open(
        path: PathBuf,
        read: &'a mut dyn FnMut(u64),
    ) -> Result<Scan<'a>, BundleError> {
        match File::open(&path) {
            Ok(file) => {
                let file = BufReader::with_capacity(CHUNK, file);
                Ok(Scan { path, file, offset: 0, read })
            }
            Err(cause) => Err(BundleError::Io { path, action: "open", cause }),
        }
    }

    /// Whether the next `len` bytes have this checksum.
    pub(super) fn part(
        &mut self,
        len: u64,
        expected: u32,
        part: impl FnOnce() -> Part,
    ) -> Result<(), BundleError> {
        let offset = self.offset;
        let mut got = 0;
        self.each_chunk(len, |_, _, bytes| {
            got = crc32c::crc32c_append(got, bytes);
            Ok(())
        })?;
        if got == expected {
            return Ok(());
        }
        let path = self.path.clone();
        Err(BundleError::Checksum { path, part: part(), offset, len, expected, got })
    }

    /// Whether the bytes from here to `end` are zero.
    pub(super) fn zeros_to(&mut self, end: u64) -> Result<(), BundleError> {
        self.each_chunk(end - self.offset, |path, offset, bytes| {
            match bytes.iter().position(|&byte| byte != 0) {
                None => Ok(()),
                Some(at) => Err(BundleError::Padding {
                    path: path.to_owned(),
                    offset: offset + at as u64,
                    got: bytes[at],
                }),
            }
        })
    }

    /// Shows the next `len` bytes to `look`, with their offset, as they come.
    fn each_chunk(
        &mut self,
        len: u64,
        mut look: impl FnMut(&Path, u64, &[u8]) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let end = self.offset + len;
        while self.offset < end {
            let ahead = self.file.fill_buf().map_err(|cause| failed(&self.path, cause))?;
            let count = (end - self.offset).min(ahead.len() as u64);
            if count == 0 {
                return Err(failed(&self.path, io::ErrorKind::UnexpectedEof.into()));
            }
            look(&self.path, self.offset, &ahead[..count as usize])?;
            self.file.consume(count as usize);
            self.offset += count;
            (self.read)(count);
        }
        Ok(())
    }
}

fn failed(path: &Path, cause: io::Error) -> BundleError {
    BundleError::Io { path: path.to_owned(), action: "read", cause }
}
