//! Keys and values in pages of a fixed number of positions, which sequences share until one of them writes.

use super::encode::write;
use super::pool::Pool;
use super::sequences::{Sequence, Sequences};
use super::{KvRow, KvRun, KvShape, KvStore, SeqId};
use crate::KernelError;

/// A store of pages.
///
/// A page holds `page_tokens` consecutive positions of one sequence in all layers: for each layer, for each head, the
/// keys of the positions one after the other, then their values. So attention over a head reads one run of keys and
/// one of values per page. The number of pages is fixed; their memory is asked for when they are first used.
#[derive(Debug)]
pub struct PagedKv {
    shape: KvShape,
    page_tokens: usize,
    pool: Pool,
    sequences: Sequences,
}

impl PagedKv {
    /// Positions per page unless something else is asked for: a run of keys fills some memory pages, and a sequence
    /// wastes few positions at its end.
    pub const PAGE_TOKENS: usize = 16;

    /// A store of `pages` pages of `page_tokens` positions each.
    ///
    /// # Panics
    /// When `page_tokens` is zero.
    pub fn new(shape: KvShape, page_tokens: usize, pages: usize) -> PagedKv {
        assert!(page_tokens > 0, "a page holds at least one position");
        // A page that no address space holds is refused when it is asked for.
        let bytes = usize::try_from(PagedKv::bytes_for(&shape, page_tokens, 1));
        let pool = Pool::new(bytes.unwrap_or(usize::MAX), pages);
        PagedKv { shape, page_tokens, pool, sequences: Sequences::default() }
    }

    /// Bytes of `pages` pages; `u64::MAX` when that exceeds 64 bits.
    pub fn bytes_for(shape: &KvShape, page_tokens: usize, pages: usize) -> u64 {
        [shape.layers, shape.kv_heads, shape.row_bytes(), 2, page_tokens, pages]
            .into_iter()
            .fold(1, |bytes: u64, factor| bytes.saturating_mul(factor as u64))
    }

    /// Positions per page.
    pub fn page_tokens(&self) -> usize {
        self.page_tokens
    }

    /// Pages in all.
    pub fn pages(&self) -> usize {
        self.pool.pages()
    }

    /// Pages that no sequence holds.
    pub fn pages_free(&self) -> usize {
        self.pool.free()
    }

    /// Pages that `seq` holds, alone or with others.
    ///
    /// # Panics
    /// When there is no such sequence.
    pub fn pages_of(&self, seq: SeqId) -> usize {
        self.sequences.get(seq).pages.len()
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.pool.page_bytes()
    }

    /// The bytes of one of the pages of `seq`, for [`PagedKv::push_page`] of a store of the same shape.
    ///
    /// # Panics
    /// When there is no such sequence, or not all positions of the page are there.
    pub fn page(&self, seq: SeqId, page: usize) -> &[u8] {
        let sequence = self.sequences.get(seq);
        assert!((page + 1) * self.page_tokens <= sequence.len(), "{seq:?} lacks page {page}");
        self.pool.bytes(sequence.pages[page])
    }

    /// Continues `seq`, which fills its pages, by a page that is full.
    ///
    /// # Errors
    /// When there is no page for it.
    ///
    /// # Panics
    /// When there is no such sequence, its last page is not full, or `bytes` are not those of a page.
    pub fn push_page(&mut self, seq: SeqId, bytes: &[u8]) -> Result<(), KernelError> {
        let PagedKv { pool, sequences, page_tokens, .. } = self;
        let sequence = sequences.get_mut(seq);
        let filled = sequence.pages.len() * *page_tokens;
        assert_eq!((sequence.len(), bytes.len()), (filled, pool.page_bytes()), "whole pages");
        let page = pool.take()?;
        pool.bytes_mut(page).copy_from_slice(bytes);
        sequence.pages.push(page);
        sequence.filled.fill(filled + *page_tokens);
        Ok(())
    }

    /// Bytes of one head's keys in a page.
    fn run_bytes(&self) -> usize {
        self.page_tokens * self.shape.row_bytes()
    }

    /// Where the keys of a head start in a page; its values follow them.
    fn place(&self, layer: usize, head: usize) -> usize {
        (layer * self.shape.kv_heads + head) * 2 * self.run_bytes()
    }

    /// Gives `seq` pages of its own for the positions from `from` to `end`.
    fn own(&mut self, seq: SeqId, from: usize, end: usize) -> Result<(), KernelError> {
        let PagedKv { pool, sequences, page_tokens, .. } = self;
        let pages = &mut sequences.get_mut(seq).pages;
        let first = from / *page_tokens;
        // Only the page that is partly filled can be shared: those after it came with a reservation.
        let shared = pages.get(first).copied().filter(|&page| pool.is_shared(page));
        let more = end.div_ceil(*page_tokens).saturating_sub(pages.len());
        let needed = more + usize::from(shared.is_some() && from < end);
        if needed > pool.free() {
            let (free, pages) = (pool.free(), pool.pages());
            return Err(KernelError::KvPagesExhausted { needed, free, pages });
        }
        if let Some(shared) = shared.filter(|_| from < end) {
            let own = pool.take()?;
            pool.copy(shared, own);
            pool.release(shared);
            pages[first] = own;
        }
        for _ in 0..more {
            pages.push(pool.take()?);
        }
        Ok(())
    }

    /// Stores one row's keys and values of one layer, whose page `seq` owns.
    fn write(
        &mut self,
        layer: usize,
        row: KvRow,
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), KernelError> {
        let KvShape { head_dim, element, .. } = self.shape;
        let (row_bytes, run_bytes) = (self.shape.row_bytes(), self.run_bytes());
        let page = self.sequences.get(row.seq).pages[row.position / self.page_tokens];
        let first = self.place(layer, 0) + row.position % self.page_tokens * row_bytes;
        let page = self.pool.bytes_mut(page);
        let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
        for (head, (key, value)) in heads.enumerate() {
            let key_at = first + head * 2 * run_bytes;
            for (numbers, at) in [(key, key_at), (value, key_at + run_bytes)] {
                if let Some(value) = write(element, numbers, &mut page[at..at + row_bytes]) {
                    let position = row.position;
                    return Err(KernelError::KvOverflow { layer, position, value, element });
                }
            }
        }
        Ok(())
    }
}

impl KvStore for PagedKv {
    fn shape(&self) -> &KvShape {
        &self.shape
    }

    fn sequence(&mut self) -> SeqId {
        let filled = vec![0; self.shape.layers];
        self.sequences.insert(Sequence { pages: Vec::new(), filled })
    }

    fn contains(&self, seq: SeqId) -> bool {
        self.sequences.contains(seq)
    }

    fn len(&self, seq: SeqId) -> usize {
        self.sequences.get(seq).len()
    }

    fn reserve(&mut self, seq: SeqId, tokens: usize) -> Result<(), KernelError> {
        let from = self.len(seq);
        self.own(seq, from, from.saturating_add(tokens))
    }

    fn append(
        &mut self,
        layer: usize,
        rows: &[KvRow],
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), KernelError> {
        let width = self.shape.width();
        let expected = rows.len() * width;
        assert_eq!((keys.len(), values.len()), (expected, expected), "rows of {width} numbers");
        let numbers = keys.chunks_exact(width).zip(values.chunks_exact(width));
        for (&row, (keys, values)) in rows.iter().zip(numbers) {
            let KvRow { seq, position } = row;
            let filled = self.sequences.get(seq).filled[layer];
            assert_eq!(position, filled, "{seq:?} goes on at {filled} in layer {layer}");
            self.own(seq, position, position + 1)?;
            self.write(layer, row, keys, values)?;
            self.sequences.get_mut(seq).filled[layer] = position + 1;
        }
        Ok(())
    }

    fn run(&self, layer: usize, head: usize, row: KvRow) -> KvRun<'_> {
        let sequence = self.sequences.get(row.seq);
        let filled = sequence.filled[layer];
        assert!(row.position < filled, "layer {layer} lacks position {} of {filled}", row.position);
        let page = self.pool.bytes(sequence.pages[row.position / self.page_tokens]);
        let (skipped, row_bytes) = (row.position % self.page_tokens, self.shape.row_bytes());
        let end = self.page_tokens.min(skipped + filled - row.position);
        let place = self.place(layer, head);
        let (keys, values) = page[place..].split_at(self.run_bytes());
        let part = skipped * row_bytes..end * row_bytes;
        KvRun { keys: &keys[part.clone()], values: &values[part] }
    }

    fn truncate(&mut self, seq: SeqId, len: usize) {
        let keep = len.div_ceil(self.page_tokens);
        let PagedKv { pool, sequences, .. } = self;
        let sequence = sequences.get_mut(seq);
        let held = sequence.len();
        assert!(len <= held, "{seq:?} has {held} positions, not {len}");
        sequence.filled.fill(len);
        let surplus = keep.min(sequence.pages.len());
        sequence.pages.drain(surplus..).for_each(|page| pool.release(page));
    }

    fn fork(&mut self, seq: SeqId, len: usize) -> SeqId {
        let sequence = self.sequences.get(seq);
        let held = sequence.len();
        assert!(len <= held, "{seq:?} has {held} positions, not {len}");
        let pages = sequence.pages[..len.div_ceil(self.page_tokens)].to_vec();
        pages.iter().for_each(|&page| self.pool.share(page));
        self.sequences.insert(Sequence { pages, filled: vec![len; self.shape.layers] })
    }

    fn free(&mut self, seq: SeqId) {
        let sequence = self.sequences.remove(seq);
        sequence.pages.into_iter().for_each(|page| self.pool.release(page));
    }
}
