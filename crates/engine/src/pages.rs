//! Pages of keys and values, counted: for those who divide them among sequences.

use crate::EngineError;
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
    /// Bytes of a page.
    pub fn kv_page_bytes(&self) -> usize {
        self.kv.page_bytes()
    }

    /// The bytes of one of the whole pages of a sequence, for [`Engine::push_kv_page`].
    ///
    /// # Panics
    /// When the sequence is of another engine, or not all tokens of the page were fed.
    pub fn kv_page(&self, sequence: &Sequence, page: usize) -> &[u8] {
        self.kv.page(sequence.id(), page)
    }

    /// Continues a sequence of whole pages by one that was computed before: `tokens` and what the same model, run in the
    /// same way, computed for them after the same tokens.
    ///
    /// # Errors
    /// When there is no page for it.
    ///
    /// # Panics
    /// When the sequence is of another engine or ends within a page, or `tokens` or `page` are not those of one page.
    pub fn push_kv_page(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        page: &[u8],
    ) -> Result<(), EngineError> {
        assert_eq!(tokens.len(), self.kv.page_tokens(), "tokens of a page");
        self.kv.push_page(sequence.id(), page)?;
        sequence.extend(tokens);
        Ok(())
    }
}
