//! Reads a header from front to back: knows how many bytes are left, and allocates no more than it has read.

use super::error::{Counted, GgufError, HeaderFault};
use std::io::{self, Read};
use std::path::Path;

/// Most bytes before the tensors. The largest vocabularies in use take a quarter of it.
pub(super) const LARGEST_HEADER: u64 = 64 << 20;

/// Bytes that are read at once: memory grows by this much ahead of what was read.
const STEP: usize = 64 << 10;

/// A reader that knows its place.
pub(super) struct Cursor<'a, R> {
    path: &'a Path,
    source: R,
    position: u64,
    len: u64,
}

impl<'a, R: Read> Cursor<'a, R> {
    /// Over a file of `len` bytes, from its beginning.
    pub(super) fn new(path: &'a Path, source: R, len: u64) -> Cursor<'a, R> {
        Cursor { path, source, position: 0, len }
    }

    /// Bytes before the next one.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the whole file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.len - self.position
    }

    /// An error at this place.
    pub(super) fn fault(&self, fault: HeaderFault) -> GgufError {
        GgufError::Header { path: self.path.to_owned(), offset: self.position, fault }
    }

    /// Checks that `count` things of at least `each` bytes may follow.
    pub(super) fn expect(&self, count: u64, each: u64) -> Result<(), GgufError> {
        let needed = count.saturating_mul(each);
        if needed > self.left() {
            return Err(self.fault(HeaderFault::CutShort { needed, left: self.left() }));
        }
        if needed > LARGEST_HEADER.saturating_sub(self.position) {
            let count = self.position.saturating_add(needed);
            let what = Counted::HeaderBytes;
            return Err(self.fault(HeaderFault::TooMany { what, count, most: LARGEST_HEADER }));
        }
        Ok(())
    }

    /// The next `count` bytes, added to `bytes`.
    pub(super) fn append(&mut self, count: u64, bytes: &mut Vec<u8>) -> Result<(), GgufError> {
        self.expect(count, 1)?;
        let mut missing = usize::try_from(count).unwrap_or(usize::MAX);
        while missing > 0 {
            let (start, step) = (bytes.len(), missing.min(STEP));
            bytes.resize(start + step, 0);
            self.fill(start, bytes)?;
            missing -= step;
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.expect(N as u64, 1)?;
        let mut bytes = [0; N];
        self.fill(0, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, start: usize, bytes: &mut [u8]) -> Result<(), GgufError> {
        let read = self.source.read_exact(&mut bytes[start..]);
        read.map_err(|cause| match cause.kind() {
            // It was longer a moment ago.
            io::ErrorKind::UnexpectedEof => {
                self.fault(HeaderFault::CutShort { needed: bytes.len() as u64, left: 0 })
            }
            _ => GgufError::Read { path: self.path.to_owned(), cause },
        })?;
        self.position += (bytes.len() - start) as u64;
        Ok(())
    }

    /// The next number of 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next number of 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }
}
