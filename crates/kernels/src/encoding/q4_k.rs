//! Q4_K: blocks of 256 codes of 4 bits; scales and minima of 6 bits per 32.
//!
//! `d f16 | dmin f16 | scales[12] | qs[128]`; `d * s * q - dmin * m`. Thirty-two bytes of `qs` hold a sub-block in
//! their low four bits and the next one in their high ones.

use super::blocks::{Blocks, by_lane, low_and_high, numbers, part, sub_block};
use crate::lanes::{Bytes, LANES, Lanes};

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
    fn codes<L: Bytes>(lanes: L, round: &Self::Round, half: usize) -> [[L::B; 2]; 2] {
        nibbles_in_pairs(lanes, part(&round[half], 16))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &Self::Round) -> [L::V; 2] {
        factors_of_six_bits(lanes, [part(&round[0], 0), part(&round[1], 0)])
    }
}

/// The four-bit codes of eight sub-blocks, two in thirty-two bytes.
#[inline(always)]
pub(super) fn nibbles_in_pairs<L: Bytes>(lanes: L, bytes: &[u8; 128]) -> [[L::B; 2]; 2] {
    let [first, second] = lanes.deal(bytes);
    let [[a, b], [c, d]] = [low_and_high(lanes, first), low_and_high(lanes, second)];
    [[a, c], [b, d]]
}

/// Scales and minima of two blocks from the sixteen bytes that each begins with.
#[inline(always)]
pub(super) fn factors_of_six_bits<L: Lanes>(lanes: L, blocks: [&[u8; 16]; 2]) -> [L::V; 2] {
    let [first, second] = blocks.map(six_bits);
    let pick = |which: usize| {
        by_lane(|lane| {
            let block = if sub_block(32, lane) < 8 { first } else { second };
            block[which][sub_block(32, lane) % 8]
        })
    };
    let [scales, minima] = numbers(lanes, &pick(0), &pick(1));
    let half = |at: usize| -> [[u8; 2]; LANES] {
        by_lane(|lane| *part(blocks[sub_block(32, lane) / 8], at))
    };
    let (d, dmin) = (lanes.load_f16_each(half(0)), lanes.load_f16_each(half(2)));
    [lanes.mul(d, scales), lanes.mul(dmin, minima)]
}

/// The eight scales and the eight minima of a block: the first four of each in the low six bits of a byte, of
/// the others four bits in the last four bytes and two in the high bits of the first eight.
#[inline(always)]
fn six_bits(block: &[u8; 16]) -> [[u8; 8]; 2] {
    let word = |at: usize| u32::from_le_bytes(*part(block, at));
    let (low, middle, high) = (word(4), word(8), word(12));
    let scales = high & 0x0f0f_0f0f | (low >> 6 & 0x0303_0303) << 4;
    let minima = high >> 4 & 0x0f0f_0f0f | (middle >> 6 & 0x0303_0303) << 4;
    let join = |first: u32, second: u32| {
        (u64::from(first & 0x3f3f_3f3f) | u64::from(second) << 32).to_le_bytes()
    };
    [join(low, scales), join(middle, minima)]
}
