//! Q5_K: Q4_K with a fifth bit. `d f16 | dmin f16 | scales[12] | qh[32] | qs[128]`.
//!
//! Bit k of `qh[i]` is the fifth bit of number i of sub-block k.

use super::blocks::{Blocks, View, part};
use super::q4_k::nibbles_in_pairs;
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q5K;

impl Blocks for Q5K {
    const SUB: usize = 32;
    const BIAS: u8 = 0;
    const WIDE: bool = false;
    const MINIMA: bool = true;

    type Round = [[u8; 176]; 2];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        let block = round[half];
        let [mut even, mut odd] = nibbles_in_pairs(lanes, part(block, 48));
        for (register, (even, odd)) in even.iter_mut().zip(&mut odd).enumerate() {
            let bits = lanes.quarters([part(block, 16 + 16 * register); 4]);
            // Quarter q has sub-blocks 2 q and 2 q + 1.
            let bits = lanes.right_each(bits, [0, 2, 4, 6], 3);
            *even = lanes.or(*even, lanes.left::<4>(bits, 16));
            *odd = lanes.or(*odd, lanes.left::<3>(bits, 16));
        }
        [even, odd]
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        lanes.six_bit_factors([part(round[0], 0), part(round[1], 0)])
    }
}
