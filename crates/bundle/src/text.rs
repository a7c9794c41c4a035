//! A text file of the checkpoint, kept inside the bundle.

use flint_geometry::Extent;

/// One text file of the texts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEntry {
    /// Unique plain file name, such as `tokenizer.json`.
    pub name: String,
    /// Bytes in the texts file.
    pub extent: Extent,
    /// CRC-32C of those bytes.
    pub crc: u32,
}
