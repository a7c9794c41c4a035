//! A range of bytes in a file, with arithmetic that cannot wrap.

/// `len` bytes from `offset` on. The end fits in 64 bits by construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    offset: u64,
    len: u64,
}

impl Extent {
    /// `len` bytes from `offset`; `None` when the end does not fit in 64 bits.
    pub fn new(offset: u64, len: u64) -> Option<Extent> {
        offset.checked_add(len).map(|_| Extent { offset, len })
    }

    /// First byte.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Length in bytes.
    pub fn len(self) -> u64 {
        self.len
    }

    /// Whether the extent holds no byte.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// One past the last byte.
    pub fn end(self) -> u64 {
        // Deserialised extents skip `new`: saturate, so that a hostile one fails its bounds check.
        self.offset.saturating_add(self.len)
    }

    /// The smallest extent around this one whose both ends are multiples of `alignment`.
    ///
    /// `None` when the widened end does not fit in 64 bits.
    ///
    /// # Panics
    /// When `alignment` is not a power of two.
    pub fn widen(self, alignment: u64) -> Option<Extent> {
        assert!(alignment.is_power_of_two(), "alignment {alignment} is not a power of two");
        let start = self.offset & !(alignment - 1);
        let end = self.end().checked_add(alignment - 1)? & !(alignment - 1);
        Extent::new(start, end - start)
    }

    /// Whether every byte of `other` lies in this extent.
    pub fn contains(self, other: Extent) -> bool {
        self.offset <= other.offset && other.end() <= self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_past_the_end_of_numbers_is_refused() {
        assert_eq!(Extent::new(u64::MAX, 1), None);
        assert!(Extent::new(u64::MAX, 0).is_some());
    }

    #[test]
    fn widening_covers_and_aligns() {
        let wide = Extent::new(1000, 100).unwrap().widen(512).unwrap();
        assert_eq!((wide.offset(), wide.end()), (512, 1536));
        assert_eq!(wide.widen(512), Some(wide));
        assert_eq!(Extent::new(u64::MAX - 1, 1).unwrap().widen(4096), None);
    }
}
