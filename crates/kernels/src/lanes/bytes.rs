//! Sixty-four bytes at once: what the codes of quantised blocks are unpacked with.
//!
//! A register of bytes has four quarters of sixteen, because sixteen codes are what all sub-blocks are made of
//! and what the smallest vector register holds.

/// One implementation of operations on sixty-four bytes. A value of it proves that the CPU has the instructions.
pub(crate) trait Bytes: Copy + Send + Sync {
    /// Sixty-four bytes: four quarters of sixteen.
    type B: Copy;

    /// Sixty-four bytes from memory.
    fn bytes(self, from: &[u8; 64]) -> Self::B;

    /// Sixty-four bytes to memory.
    fn store_bytes(self, bytes: Self::B, to: &mut [u8; 64]);

    /// Four quarters from as many places.
    fn quarters(self, from: [&[u8; 16]; 4]) -> Self::B;

    /// The same half twice.
    fn twice(self, half: &[u8; 32]) -> Self::B;

    /// Eight quarters in memory: first those at even places, then those at odd ones.
    fn deal(self, from: &[u8; 128]) -> [Self::B; 2];

    /// `(byte >> N) & mask`, where `mask` has none of the upper `N` bits.
    fn right<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B;

    /// `(byte << N) & mask`, where `mask` has none of the lower `N` bits.
    fn left<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B;

    /// As [`Bytes::right`], by `by[i]` in quarter i.
    fn right_each(self, bytes: Self::B, by: [u32; 4], mask: u8) -> Self::B;

    /// The bits of either.
    fn or(self, a: Self::B, b: Self::B) -> Self::B;

    /// Each byte with the bits of `mask` flipped.
    fn flip(self, bytes: Self::B, mask: u8) -> Self::B;

    /// `table[byte]` for bytes below 16.
    fn look_up(self, table: &[u8; 16], bytes: Self::B) -> Self::B;

    /// `value` where a bit is set, else 0: bit i of `bits[q]` for byte i of quarter q.
    fn spread(self, bits: [u16; 4], value: u8) -> Self::B;
}
