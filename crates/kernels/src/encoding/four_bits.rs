//! Q4_0 and Q4_1: blocks of 32 codes of 4 bits.
//!
//! Q4_0: `d f16 | qs[16]`, `d * (q - 8)`. Q4_1: `d f16 | m f16 | qs[16]`, `d * q + m`.

use super::blocks::{Blocks, View, halves, negated, nibbles};
use crate::lanes::{Bytes, Lanes};

/// One scale.
#[derive(Clone, Copy)]
pub(crate) struct Q4_0;

/// A scale and a minimum.
#[derive(Clone, Copy)]
pub(crate) struct Q4_1;

impl Blocks for Q4_0 {
    const SUB: usize = 32;
    const BIAS: u8 = 8;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 18]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        nibbles(lanes, round, 2, half)
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        [lanes.load_f16_each(halves(round, 0)), lanes.splat(0.0)]
    }
}

impl Blocks for Q4_1 {
    const SUB: usize = 32;
    const BIAS: u8 = 0;
    const WIDE: bool = false;
    const MINIMA: bool = true;

    type Round = [[u8; 20]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        nibbles(lanes, round, 4, half)
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        let minima = lanes.load_f16_each(negated(halves(round, 2)));
        [lanes.load_f16_each(halves(round, 0)), minima]
    }
}
