//! Q2_K: blocks of 256 codes of 2 bits; scales and minima of 4 bits per 16.
//!
//! `scales[16] | qs[64] | d f16 | dmin f16`; `d * (s & 15) * q - dmin * (s >> 4)`. Thirty-two bytes of `qs`
//! hold 128 numbers: bits 0 and 1 the first thirty-two, bits 2 and 3 the next ones.

use super::blocks::{Blocks, View, in_lanes, part};
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q2K;

impl Blocks for Q2K {
    const SUB: usize = 16;
    const BIAS: u8 = 0;
    const WIDE: bool = false;
    const MINIMA: bool = true;

    type Round = [[u8; 84]; 1];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, &[block]: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        two_bits(lanes, part(block, 16 + 32 * half))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, &[block]: &View<'_, Self>) -> [L::V; 2] {
        let both = in_lanes(lanes, part(block, 0));
        let [scales, ..] = lanes.unsigned(lanes.right::<0>(both, 15));
        let [minima, ..] = lanes.unsigned(lanes.right::<4>(both, 15));
        let d = lanes.load_f16_each([*part(block, 80); 16]);
        let dmin = lanes.load_f16_each([*part(block, 82); 16]);
        [lanes.mul(d, scales), lanes.mul(dmin, minima)]
    }
}

/// The codes of 128 numbers, two bits each.
#[inline(always)]
pub(super) fn two_bits<L: Bytes>(lanes: L, bytes: &[u8; 32]) -> [[L::B; 2]; 2] {
    let bytes = lanes.twice(bytes);
    let first = lanes.right_each(bytes, [0, 0, 2, 2], 3);
    let second = lanes.right_each(bytes, [4, 4, 6, 6], 3);
    [[first; 2], [second; 2]]
}
