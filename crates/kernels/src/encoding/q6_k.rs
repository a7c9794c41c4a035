//! Q6_K: blocks of 256 codes of 6 bits, the upper two apart; scales of 8 bits per 16.
//!
//! `ql[128] | qh[64] | scales i8[16] | d f16`; `d * s * (q - 32)`. Of 128 numbers the low four bits of the first
//! sixty-four are in the low halves of 64 bytes of `ql`, of the others in the high halves; the upper bits of number i are
//! two bits of `qh[i mod 32]`, from the lowest ones on.

use super::blocks::{Blocks, View, in_lanes, low_and_high, part};
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q6K;

impl Blocks for Q6K {
    const SUB: usize = 16;
    const BIAS: u8 = 32;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 210]; 1];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, &[block]: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        let [low, high] = low_and_high(lanes, lanes.bytes(part(block, 64 * half)));
        let upper = lanes.twice(part(block, 128 + 32 * half));
        let first = lanes.left::<4>(lanes.right_each(upper, [0, 0, 2, 2], 3), 0x30);
        let second = lanes.right_each(upper, [0, 0, 2, 2], 0x30);
        [[lanes.or(low, first); 2], [lanes.or(high, second); 2]]
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, &[block]: &View<'_, Self>) -> [L::V; 2] {
        // The sign bit flipped is the scale plus 128.
        let scales = lanes.flip(in_lanes(lanes, part(block, 192)), 0x80);
        let [scales, ..] = lanes.unsigned(scales);
        let scales = lanes.sub(scales, lanes.splat(128.0));
        let d = lanes.load_f16_each([*part(block, 208); 16]);
        [lanes.mul(d, scales), lanes.splat(0.0)]
    }
}
