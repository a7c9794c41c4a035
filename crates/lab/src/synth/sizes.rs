//! The numbers that make a model large.

/// Sizes of a model: as published, or smaller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) neurons: usize,
    pub(super) vocabulary: usize,
}

impl Sizes {
    /// Numbers of the hidden state.
    pub(super) fn hidden(&self) -> usize {
        self.heads * self.head_dim
    }
}
