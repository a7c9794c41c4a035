//! Sections tile their file: each starts where the one before it, padded, ends. Whatever overlaps,
//! leaves a hole or points outside fails that one comparison.

use crate::layout::next_section;
use crate::{DataFileKind, ManifestFault};
use flint_geometry::Extent;

/// Walks over the sections of one file.
pub(super) struct Tiles {
    file: DataFileKind,
    /// Where the next section must start.
    next: u64,
}

impl Tiles {
    /// Before the first section.
    pub(super) fn new(file: DataFileKind) -> Tiles {
        Tiles { file, next: 0 }
    }

    /// The next section; `len` is `None` where computing it passed 64 bits.
    pub(super) fn place(&mut self, offset: u64, len: Option<u64>) -> Result<Extent, ManifestFault> {
        let file = self.file;
        if offset != self.next {
            return Err(ManifestFault::SectionStart { file, expected: self.next, got: offset });
        }
        let fault = || ManifestFault::SectionEnd { file, offset, len: len.unwrap_or(u64::MAX) };
        let extent = len.and_then(|len| Extent::new(offset, len)).ok_or_else(fault)?;
        self.next = next_section(extent.end()).ok_or_else(fault)?;
        Ok(extent)
    }

    /// After the last section: the file must end here.
    pub(super) fn finish(self, len: u64) -> Result<(), ManifestFault> {
        match len == self.next {
            true => Ok(()),
            false => {
                Err(ManifestFault::FileLength { file: self.file, expected: self.next, got: len })
            }
        }
    }
}
