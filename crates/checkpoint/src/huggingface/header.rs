//! What the header of a tensor file says, whichever its format.

/// What a file holds.
pub(crate) struct Header {
    pub(crate) tensors: Vec<HeaderTensor>,
    /// Checksum of the header's bytes.
    pub(crate) crc: u32,
}

/// One tensor of a file, checked to lie within it.
pub(crate) struct HeaderTensor {
    pub(crate) name: String,
    /// The type by its safetensors name, where it has one; else words for the user.
    pub(crate) kind: String,
    pub(crate) dims: Vec<usize>,
    /// First byte in the file.
    pub(crate) offset: u64,
}
