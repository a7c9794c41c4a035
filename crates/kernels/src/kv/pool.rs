//! Pages of memory, counted by how many sequences hold each.

use crate::KernelError;

/// A fixed number of pages of one size. Memory is asked for when a page is first used, and kept.
#[derive(Debug)]
pub(super) struct Pool {
    page_bytes: usize,
    /// Most pages there may be.
    pages: usize,
    /// Those that were used so far.
    memory: Vec<Lines>,
    /// How many sequences hold each of them.
    holders: Vec<u32>,
    /// Those that no sequence holds.
    idle: Vec<u32>,
}

impl Pool {
    pub(super) fn new(page_bytes: usize, pages: usize) -> Pool {
        Pool { page_bytes, pages, memory: Vec::new(), holders: Vec::new(), idle: Vec::new() }
    }

    /// Pages in all.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// Bytes of a page.
    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Pages that no sequence holds.
    pub(super) fn free(&self) -> usize {
        self.pages - self.memory.len() + self.idle.len()
    }

    /// A page for one holder. What it holds is not defined.
    pub(super) fn take(&mut self) -> Result<u32, KernelError> {
        if let Some(page) = self.idle.pop() {
            self.holders[page as usize] = 1;
            return Ok(page);
        }
        let page = self.memory.len();
        let refused = KernelError::KvPagesExhausted { needed: 1, free: 0, pages: self.pages };
        let Some(name) = u32::try_from(page).ok().filter(|_| page < self.pages) else {
            return Err(refused);
        };
        self.memory.push(Lines::zeroed(self.page_bytes)?);
        self.holders.push(1);
        Ok(name)
    }

    /// One more sequence holds `page`.
    pub(super) fn share(&mut self, page: u32) {
        self.holders[page as usize] += 1;
    }

    /// Whether more than one sequence holds `page`.
    pub(super) fn is_shared(&self, page: u32) -> bool {
        self.holders[page as usize] > 1
    }

    /// One sequence less holds `page`.
    pub(super) fn release(&mut self, page: u32) {
        let holders = &mut self.holders[page as usize];
        *holders -= 1;
        if *holders == 0 {
            self.idle.push(page);
        }
    }

    /// Copies one page over another.
    pub(super) fn copy(&mut self, from: u32, to: u32) {
        if let Ok([from, to]) = self.memory.get_disjoint_mut([from as usize, to as usize]) {
            to.bytes_mut().copy_from_slice(from.bytes());
        }
    }

    pub(super) fn bytes(&self, page: u32) -> &[u8] {
        self.memory[page as usize].bytes()
    }

    pub(super) fn bytes_mut(&mut self, page: u32) -> &mut [u8] {
        self.memory[page as usize].bytes_mut()
    }
}

/// Zeroed bytes that start on a cache line: an AVX-512 load that crosses a line costs two.
#[derive(Debug)]
struct Lines {
    memory: Vec<u8>,
    start: usize,
}

impl Lines {
    const LINE: usize = 64;

    fn zeroed(bytes: usize) -> Result<Lines, KernelError> {
        let refused = || KernelError::KvCacheTooLarge { bytes: bytes as u64 };
        let padded = bytes.checked_add(Lines::LINE).ok_or_else(refused)?;
        // A refusal of `vec!` ends the process, so ask in a way that may be refused first.
        Vec::<u8>::new().try_reserve_exact(padded).map_err(|_| refused())?;
        // Zeroed memory comes from the system untouched; a loop of zeros would touch all of it.
        let mut memory = vec![0; padded];
        let start = memory.as_ptr().align_offset(Lines::LINE).min(Lines::LINE);
        memory.truncate(start + bytes);
        Ok(Lines { memory, start })
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}
