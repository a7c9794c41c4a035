//! Sixty-four bytes in plain Rust: the meaning of the others.

use super::Scalar;
use crate::lanes::Bytes;

impl Bytes for Scalar {
    type B = [u8; 64];

    #[inline(always)]
    fn bytes(self, from: &[u8; 64]) -> Self::B {
        *from
    }

    #[inline(always)]
    fn store_bytes(self, bytes: Self::B, to: &mut [u8; 64]) {
        *to = bytes;
    }

    #[inline(always)]
    fn quarters(self, from: [&[u8; 16]; 4]) -> Self::B {
        std::array::from_fn(|i| from[i / 16][i % 16])
    }

    #[inline(always)]
    fn twice(self, half: &[u8; 32]) -> Self::B {
        std::array::from_fn(|i| half[i % 32])
    }

    #[inline(always)]
    fn deal(self, from: &[u8; 128]) -> [Self::B; 2] {
        [0, 16].map(|odd| std::array::from_fn(|i| from[i / 16 * 32 + odd + i % 16]))
    }

    #[inline(always)]
    fn right<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B {
        bytes.map(|byte| byte >> N & mask)
    }

    #[inline(always)]
    fn left<const N: u32>(self, bytes: Self::B, mask: u8) -> Self::B {
        bytes.map(|byte| byte << N & mask)
    }

    #[inline(always)]
    fn right_each(self, bytes: Self::B, by: [u32; 4], mask: u8) -> Self::B {
        std::array::from_fn(|i| bytes[i] >> by[i / 16] & mask)
    }

    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        std::array::from_fn(|i| a[i] | b[i])
    }

    #[inline(always)]
    fn flip(self, bytes: Self::B, mask: u8) -> Self::B {
        bytes.map(|byte| byte ^ mask)
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16], bytes: Self::B) -> Self::B {
        bytes.map(|byte| table[usize::from(byte & 15)])
    }

    #[inline(always)]
    fn spread(self, bits: [u16; 4], value: u8) -> Self::B {
        std::array::from_fn(|i| value * (bits[i / 16] >> (i % 16) & 1) as u8)
    }
}
