//! What the header of a tensor file says, whichever its format.

/// What a file holds.
pub(super) struct Header {
    pub(super) tensors: Vec<HeaderTensor>,
    /// Checksum of the header's bytes.
    pub(super) crc: u32,
}

/// One tensor of a file, checked to lie within it.
pub(super) struct HeaderTensor {
    pub(super) name: String,
    /// The type by its safetensors name, where it has one; else words for the user.
    pub(super) kind: String,
    pub(super) dims: Vec<usize>,
    /// First byte in the file.
    pub(super) offset: u64,
}
