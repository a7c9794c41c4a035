//! Q5_0 and Q5_1: blocks of 32 codes of 5 bits, the fifth bits together.
//!
//! Q5_0: `d f16 | qh u32 | qs[16]`, `d * (q - 16)`. Q5_1: `d f16 | m f16 | qh u32 | qs[16]`, `d * q + m`.
//! Bit i of `qh` is the fifth bit of number i.

use super::blocks::{Blocks, View, halves, negated, nibbles, part};
use crate::lanes::{Bytes, LANES, Lanes};

/// One scale.
#[derive(Clone, Copy)]
pub(crate) struct Q5_0;

/// A scale and a minimum.
#[derive(Clone, Copy)]
pub(crate) struct Q5_1;

impl Blocks for Q5_0 {
    const SUB: usize = 32;
    const BIAS: u8 = 16;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 22]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        five_bits(lanes, round, 2, half)
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        [lanes.load_f16_each(halves(round, 0)), lanes.splat(0.0)]
    }
}

impl Blocks for Q5_1 {
    const SUB: usize = 32;
    const BIAS: u8 = 0;
    const WIDE: bool = false;
    const MINIMA: bool = true;

    type Round = [[u8; 24]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        five_bits(lanes, round, 4, half)
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        let minima = lanes.load_f16_each(negated(halves(round, 2)));
        [lanes.load_f16_each(halves(round, 0)), minima]
    }
}

/// Codes whose fifth bits are at `at` and whose other bits follow those.
#[inline(always)]
fn five_bits<L: Bytes, const N: usize>(
    lanes: L,
    round: &[&[u8; N]; LANES],
    at: usize,
    half: usize,
) -> [[L::B; 2]; 2] {
    let mut codes = nibbles(lanes, round, at + 4, half);
    for (group, codes) in codes.iter_mut().enumerate() {
        for (register, codes) in codes.iter_mut().enumerate() {
            let bits = |quarter: usize| {
                let block = round[8 * half + 2 * quarter + group];
                u16::from_le_bytes(*part(block, at + 2 * register))
            };
            let fifth = lanes.spread([bits(0), bits(1), bits(2), bits(3)], 16);
            *codes = lanes.or(*codes, fifth);
        }
    }
    codes
}
