//! Pages of keys and values, counted: for those who divide them among sequences.

use crate::engine::Engine;
use crate::sequence::Sequence;

impl Engine {
    /// Pages in all.
    pub fn kv_pages(&self) -> usize {
        self.kv.pages()
    }

    /// Tokens of a page.
    pub fn kv_page_tokens(&self) -> usize {
        self.kv.page_tokens()
    }

    /// Pages that a sequence holds, alone or with others.
    ///
    /// # Panics
    /// When it is of another engine.
    pub fn kv_pages_of(&self, sequence: &Sequence) -> usize {
        self.kv.pages_of(sequence.id())
    }
}
