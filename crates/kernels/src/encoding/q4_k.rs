//! Q4_K: blocks of 256 codes of 4 bits; scales and minima of 6 bits per 32.
//!
//! `d f16 | dmin f16 | scales[12] | qs[128]`; `d * s * q - dmin * m`. Thirty-two bytes of `qs` hold a sub-block in
//! their low four bits and the next one in their high ones.

use super::blocks::{Blocks, View, low_and_high, part};
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q4K;

impl Blocks for Q4K {
    const SUB: usize = 32;
    const BIAS: u8 = 0;
    const WIDE: bool = false;
    const MINIMA: bool = true;

    type Round = [[u8; 144]; 2];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        nibbles_in_pairs(lanes, part(round[half], 16))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        lanes.six_bit_factors([part(round[0], 0), part(round[1], 0)])
    }
}

/// The four-bit codes of eight sub-blocks, two in thirty-two bytes.
#[inline(always)]
pub(super) fn nibbles_in_pairs<L: Bytes>(lanes: L, bytes: &[u8; 128]) -> [[L::B; 2]; 2] {
    let [first, second] = lanes.deal(bytes);
    let [[a, b], [c, d]] = [low_and_high(lanes, first), low_and_high(lanes, second)];
    [[a, c], [b, d]]
}
