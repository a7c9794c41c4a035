//! Q3_K: blocks of 256 codes of 3 bits, the third bits together; scales of 6 bits per 16.
//!
//! `hmask[32] | qs[64] | scales[12] | d f16`; `d * (s - 32) * (q - 4)`. The order is that of Q2_K; the third bit of a
//! number in place i of thirty-two is bit 4 half + shift / 2 of `hmask[i]`.

use super::blocks::{Blocks, View, in_lanes, part};
use super::q2_k::two_bits;
use crate::lanes::{Bytes, Lanes};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Q3K;

impl Blocks for Q3K {
    const SUB: usize = 16;
    const BIAS: u8 = 4;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 110]; 1];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, &[block]: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        let [[first, _], [second, _]] = two_bits(lanes, part(block, 32 + 32 * half));
        let third = lanes.twice(part(block, 0));
        // A half has four bits: two for its first sixty-four numbers, two for the others.
        let bit = 4 * half as u32;
        let third_first = lanes.right_each(third, [bit, bit, bit + 1, bit + 1], 1);
        let third_second = lanes.right_each(third, [bit + 2, bit + 2, bit + 3, bit + 3], 1);
        let first = lanes.or(first, lanes.left::<2>(third_first, 4));
        let second = lanes.or(second, lanes.left::<2>(third_second, 4));
        [[first; 2], [second; 2]]
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, &[block]: &View<'_, Self>) -> [L::V; 2] {
        let [scales, ..] = lanes.unsigned(in_lanes(lanes, &six_bits(part(block, 96))));
        let scales = lanes.sub(scales, lanes.splat(32.0));
        let d = lanes.load_f16_each([*part(block, 108); 16]);
        [lanes.mul(d, scales), lanes.splat(0.0)]
    }
}

/// Scale k: its low four bits are the low half of byte k, or the high one of byte k - 8; its high two are
/// bits 2 (k / 4) and on of byte 8 + k mod 4.
#[inline(always)]
fn six_bits(packed: &[u8; 12]) -> [u8; 16] {
    let low = u64::from_le_bytes(*part(packed, 0));
    let high = u32::from_le_bytes(*part(packed, 8));
    let two = |shift: u32| u64::from(high >> shift & 0x0303_0303) << 4;
    let first = low & 0x0f0f_0f0f_0f0f_0f0f | two(0) | two(2) << 32;
    let second = low >> 4 & 0x0f0f_0f0f_0f0f_0f0f | two(4) | two(6) << 32;
    (u128::from(first) | u128::from(second) << 64).to_le_bytes()
}
