//! The seam to keys and values: what attention reads of the positions so far of any number of sequences.

mod encode;
mod paged;
mod pool;
mod sequences;

pub use paged::PagedKv;

use crate::{KernelError, KvElement};
use std::fmt;

/// What keys and values are made of, in all layers alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvShape {
    /// Decoder layers.
    pub layers: usize,
    /// Key and value heads of a layer.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// How each number is stored.
    pub element: KvElement,
}

impl KvShape {
    /// Numbers of one position's keys in one layer, and of its values.
    pub fn width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Bytes of one position of one head's keys.
    pub fn row_bytes(&self) -> usize {
        self.head_dim * self.element.bytes()
    }
}

/// Names a sequence of one store, until it is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqId {
    index: u32,
    generation: u32,
}

impl SeqId {
    /// The name of what a store keeps under `index`; `generation` tells it from what was there before. For those who
    /// write a store: others are given names.
    pub fn new(index: u32, generation: u32) -> SeqId {
        SeqId { index, generation }
    }

    /// Where a store keeps it.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// How many sequences had this index before.
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// One position of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvRow {
    /// The sequence.
    pub seq: SeqId,
    /// Its position, from 0 on.
    pub position: usize,
}

/// Keys and values of one head at consecutive positions, each row [`KvShape::row_bytes`] long.
#[derive(Debug, Clone, Copy)]
pub struct KvRun<'a> {
    /// Keys, position after position.
    pub keys: &'a [u8],
    /// Values of the same positions.
    pub values: &'a [u8],
}

/// Keeps keys and values of sequences. What a sequence's positions hold depends neither on other sequences nor on
/// how often it was cut, continued or forked.
///
/// Naming a sequence that was freed, or a position or layer that is not there, is a mistake of the caller, and panics.
pub trait KvStore: fmt::Debug + Send + Sync {
    /// What is stored per position.
    fn shape(&self) -> &KvShape;

    /// Begins a sequence without positions.
    fn sequence(&mut self) -> SeqId;

    /// Whether `seq` is a sequence here.
    fn contains(&self, seq: SeqId) -> bool;

    /// Positions of `seq` that every layer holds.
    fn len(&self, seq: SeqId) -> usize;

    /// Makes room for `tokens` more positions of `seq`, so that appending them cannot fail for lack of it.
    ///
    /// # Errors
    /// When there is none; nothing has changed then.
    fn reserve(&mut self, seq: SeqId, tokens: usize) -> Result<(), KernelError>;

    /// Stores keys and values of one layer, each rows x [`KvShape::width`]. The rows of a sequence continue what the
    /// layer holds of it, in ascending order; rows of other sequences may stand between them.
    ///
    /// # Errors
    /// When there is no room, or a number is not finite as it would be stored. The layer may hold some of the rows
    /// then: truncate their sequences.
    ///
    /// # Panics
    /// When the sizes do not agree or positions are left out.
    fn append(
        &mut self,
        layer: usize,
        rows: &[KvRow],
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), KernelError>;

    /// Keys and values of `head` of `layer` from `position` on, as far as they lie in one piece.
    fn run(&self, layer: usize, head: usize, row: KvRow) -> KvRun<'_>;

    /// Drops what layers hold of `seq` from position `len` on, and gives back room beyond it.
    ///
    /// # Panics
    /// When some layer holds fewer positions than `len`.
    fn truncate(&mut self, seq: SeqId, len: usize);

    /// A new sequence whose first `len` positions are those of `seq`. From there on the two know nothing of each
    /// other. Nothing is copied before one of them writes.
    ///
    /// # Panics
    /// When some layer holds fewer positions than `len`.
    fn fork(&mut self, seq: SeqId, len: usize) -> SeqId;

    /// Ends a sequence. Its name is never given again.
    fn free(&mut self, seq: SeqId);
}
