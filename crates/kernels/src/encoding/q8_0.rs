//! Q8_0: blocks of 32 codes of 8 bits and one scale. `d f16 | q i8[32]`, `d * q`.

use super::blocks::{Blocks, View, halves, part};
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q8_0;

impl Blocks for Q8_0 {
    const SUB: usize = 32;
    const BIAS: u8 = 128;
    const WIDE: bool = true;
    const MINIMA: bool = false;

    type Round = [[u8; 34]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        let mut codes = [[lanes.twice(&[0; 32]); 2]; 2];
        for (group, codes) in codes.iter_mut().enumerate() {
            for (register, codes) in codes.iter_mut().enumerate() {
                let block = |q: usize| part(round[8 * half + 2 * q + group], 2 + 16 * register);
                let stored = lanes.quarters([block(0), block(1), block(2), block(3)]);
                // The sign bit flipped is the code plus 128.
                *codes = lanes.flip(stored, 0x80);
            }
        }
        codes
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        [lanes.load_f16_each(halves(round, 0)), lanes.splat(0.0)]
    }
}
