//! Cuts an output matrix into blocks of columns that threads may write at the same time.

use std::slice::ChunksMut;

/// Some columns of a (tokens x width) matrix.
pub(crate) struct Block<'a> {
    /// Index of the first column.
    pub(crate) first: usize,
    /// For each token, the block's part of its row.
    pub(crate) tokens: Vec<&'a mut [f32]>,
}

impl Block<'_> {
    /// Columns of the block.
    pub(crate) fn len(&self) -> usize {
        self.tokens.first().map_or(0, |token| token.len())
    }
}

/// The blocks of `out`, a matrix of rows of `width`; each `columns` wide, the last one what is left.
pub(crate) fn blocks(
    out: &mut [f32],
    width: usize,
    columns: usize,
) -> impl Iterator<Item = Block<'_>> + Send {
    let mut rows: Vec<ChunksMut<'_, f32>> =
        out.chunks_mut(width.max(1)).map(|row| row.chunks_mut(columns)).collect();
    (0..width).step_by(columns).map(move |first| Block {
        first,
        tokens: rows.iter_mut().filter_map(Iterator::next).collect(),
    })
}
