//! A data file being written: sections at multiples of 4 KiB, zeros between them.

use super::directory::Directory;
use super::partial::Partial;
use crate::contents::DataFile;
use crate::layout::{SECTION, next_section};
use crate::{BundleError, DataFileKind};
use flint_geometry::Extent;

/// One data file under its `.partial` name.
#[derive(Debug)]
pub(crate) struct SectionFile {
    role: DataFileKind,
    partial: Partial,
    len: u64,
    /// Start of the section being written, and its checksum so far.
    start: u64,
    crc: u32,
    /// FNV-1a over the length and checksum of every section: the content suffix.
    digest: u64,
}

impl SectionFile {
    /// An empty file.
    pub(crate) fn create(
        directory: &Directory,
        role: DataFileKind,
    ) -> Result<SectionFile, BundleError> {
        let partial = Partial::create(directory.path(), &role.partial_name())?;
        Ok(SectionFile { role, partial, len: 0, start: 0, crc: 0, digest: FNV_START })
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// A whole section; where it lies and its checksum.
    pub(crate) fn section(&mut self, bytes: &[u8]) -> Result<(Extent, u32), BundleError> {
        self.begin();
        self.append(bytes)?;
        self.end()
    }

    /// Begins a section.
    pub(crate) fn begin(&mut self) {
        self.start = self.len;
        self.crc = 0;
    }

    /// Adds bytes to the section.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.partial.write(bytes)?;
        self.len += bytes.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        Ok(())
    }

    /// Adds at most [`SECTION`] zeros to the section.
    pub(crate) fn append_zeros(&mut self, count: u64) -> Result<(), BundleError> {
        self.append(&ZEROS[..count as usize])
    }

    /// Ends the section and pads the file; where the section lies and its checksum.
    pub(crate) fn end(&mut self) -> Result<(Extent, u32), BundleError> {
        let len = self.len - self.start;
        // A file never reaches 2^63 bytes.
        let extent = Extent::new(self.start, len).unwrap_or_else(|| unreachable!("a file's end"));
        let end = next_section(self.len).unwrap_or_else(|| unreachable!("a file's end"));
        let crc = self.crc;
        self.digest = fnv(fnv(self.digest, &len.to_le_bytes()), &crc.to_le_bytes());
        self.append_zeros(end - self.len)?;
        Ok((extent, crc))
    }

    /// Makes the bytes durable and chooses the final name.
    pub(crate) fn finish(&mut self) -> Result<DataFile, BundleError> {
        self.partial.sync()?;
        let mut file = DataFile { role: self.role, suffix: self.digest, len: self.len };
        // A name that is taken may belong to a bundle in use: it is left alone, whatever it holds.
        while file.path(self.partial.directory()).exists() {
            file.suffix = fnv(file.suffix, &[0]);
        }
        self.digest = file.suffix;
        Ok(file)
    }

    /// Gives the finished file its final name.
    pub(crate) fn publish(&mut self) -> Result<(), BundleError> {
        self.partial.rename(&self.role.file_name(self.digest))
    }

    /// From now on the file stays.
    pub(crate) fn keep(&mut self) {
        self.partial.keep();
    }
}

const ZEROS: [u8; SECTION as usize] = [0; SECTION as usize];
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, 64 bits: the suffix must tell files apart, not withstand anyone.
fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}
