//! Keys and values of the positions so far, for all layers of one sequence.

use crate::KernelError;
use half::f16;

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvElement {
    /// As computed.
    F32,
    /// Rounded to binary16: half the memory, other results.
    F16,
}

impl KvElement {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            KvElement::F32 => 4,
            KvElement::F16 => 2,
        }
    }
}

/// Keys and values: for each layer, for each head, its positions one after the other.
///
/// The memory is asked for at once and used only as positions are appended.
#[derive(Debug)]
pub struct KvCache {
    context: usize,
    kv_heads: usize,
    head_dim: usize,
    element: KvElement,
    keys: Lines,
    values: Lines,
    /// Positions that each layer holds.
    filled: Vec<usize>,
}

impl KvCache {
    /// A cache for `context` positions of `layers` layers with `kv_heads` heads of `head_dim` numbers.
    ///
    /// # Errors
    /// When the system refuses the memory.
    pub fn new(
        layers: usize,
        context: usize,
        kv_heads: usize,
        head_dim: usize,
        element: KvElement,
    ) -> Result<KvCache, KernelError> {
        let bytes = KvCache::bytes_for(layers, context, kv_heads, head_dim, element);
        let too_large = || KernelError::KvCacheTooLarge { bytes };
        let whole = usize::try_from(bytes).map_err(|_| too_large())?;
        // A refusal of `vec!` ends the process, so ask in a way that may be refused first.
        Vec::<u8>::new().try_reserve_exact(whole).map_err(|_| too_large())?;
        let (keys, values) = (Lines::zeroed(whole / 2), Lines::zeroed(whole / 2));
        let filled = vec![0; layers];
        Ok(KvCache { context, kv_heads, head_dim, element, keys, values, filled })
    }

    /// Bytes that such a cache takes when full; `u64::MAX` when that is no 64-bit number.
    pub fn bytes_for(
        layers: usize,
        context: usize,
        kv_heads: usize,
        head_dim: usize,
        element: KvElement,
    ) -> u64 {
        [layers, context, kv_heads, head_dim, element.bytes(), 2]
            .into_iter()
            .fold(1, |bytes: u64, factor| bytes.saturating_mul(factor as u64))
    }

    /// Bytes taken when full.
    pub fn bytes(&self) -> u64 {
        (self.keys.bytes().len() + self.values.bytes().len()) as u64
    }

    /// Positions that every layer holds.
    pub fn len(&self) -> usize {
        self.filled.iter().copied().min().unwrap_or(0)
    }

    /// Whether some layer holds no position.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions there is room for.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Stores the keys and values of consecutive tokens of a layer from `first_position` on, each
    /// tokens x KV heads x head size; what the layer held from there on is dropped.
    ///
    /// # Panics
    /// When the sizes do not agree, the context would be exceeded or positions left out.
    pub fn append(&mut self, layer: usize, k: &[f32], v: &[f32], first_position: usize) {
        let width = self.kv_heads * self.head_dim;
        let tokens = k.len() / width;
        assert_eq!((k.len(), v.len()), (tokens * width, tokens * width), "whole tokens of {width}");
        let end = first_position + tokens;
        assert!(end <= self.context, "position {end} of a context of {}", self.context);
        assert!(first_position <= self.filled[layer], "positions before {first_position} missing");
        for token in 0..tokens {
            for head in 0..self.kv_heads {
                let from = token * width + head * self.head_dim;
                let start = self.place(layer, head) + (first_position + token) * self.row_bytes();
                let place = start..start + self.row_bytes();
                let numbers = from..from + self.head_dim;
                write(self.element, &k[numbers.clone()], &mut self.keys.bytes_mut()[place.clone()]);
                write(self.element, &v[numbers], &mut self.values.bytes_mut()[place]);
            }
        }
        self.filled[layer] = end;
    }

    /// How numbers are stored.
    pub(crate) fn element(&self) -> KvElement {
        self.element
    }

    /// KV heads, and numbers of each.
    pub(crate) fn head_shape(&self) -> (usize, usize) {
        (self.kv_heads, self.head_dim)
    }

    /// Positions that `layer` holds.
    pub(crate) fn filled(&self, layer: usize) -> usize {
        self.filled[layer]
    }

    /// Bytes of one position of one head.
    #[inline(always)]
    pub(crate) fn row_bytes(&self) -> usize {
        self.head_dim * self.element.bytes()
    }

    /// Keys of one head of a layer, position after position.
    pub(crate) fn keys(&self, layer: usize, head: usize) -> &[u8] {
        &self.keys.bytes()[self.place(layer, head)..][..self.context * self.row_bytes()]
    }

    /// Values of one head of a layer, position after position.
    pub(crate) fn values(&self, layer: usize, head: usize) -> &[u8] {
        &self.values.bytes()[self.place(layer, head)..][..self.context * self.row_bytes()]
    }

    /// Where a head's positions start.
    fn place(&self, layer: usize, head: usize) -> usize {
        (layer * self.kv_heads + head) * self.context * self.row_bytes()
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

    fn zeroed(bytes: usize) -> Lines {
        // Zeroed memory comes from the system untouched; a loop of zeros would touch all of it.
        let mut memory = vec![0; bytes + Lines::LINE];
        let start = memory.as_ptr().align_offset(Lines::LINE).min(Lines::LINE);
        memory.truncate(start + bytes);
        Lines { memory, start }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

fn write(element: KvElement, numbers: &[f32], place: &mut [u8]) {
    match element {
        KvElement::F32 => {
            for (place, number) in place.chunks_exact_mut(4).zip(numbers) {
                place.copy_from_slice(&number.to_le_bytes());
            }
        }
        KvElement::F16 => {
            for (place, number) in place.chunks_exact_mut(2).zip(numbers) {
                place.copy_from_slice(&f16::from_f32(*number).to_le_bytes());
            }
        }
    }
}
