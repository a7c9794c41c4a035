//! Q3_K: blocks of 256 codes of 3 bits, the third bits together; scales of 6 bits per 16.
//!
//! `hmask[32] | qs[64] | scales[12] | d f16`; `d * (s - 32) * (q - 4)`. The order is that of Q2_K; the third bit of a
//! number in place i of thirty-two is bit 4 half + shift / 2 of `hmask[i]`.

use super::blocks::{Blocks, by_lane, numbers, part};
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
    fn codes<L: Bytes>(lanes: L, [block]: &Self::Round, half: usize) -> [[L::B; 2]; 2] {
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
    fn factors<L: Lanes>(lanes: L, [block]: &Self::Round) -> [L::V; 2] {
        let packed: &[u8; 12] = part(block, 96);
        let scales = by_lane(|lane| {
            // Lane 4 q + r has sub-block 4 r + q.
            let (q, r) = (lane / 4, lane % 4);
            let low = packed[4 * (r % 2) + q] >> (4 * (r / 2)) & 15;
            low | (packed[8 + q] >> (2 * r) & 3) << 4
        });
        let [scales, _] = numbers(lanes, &scales, &scales);
        let scales = lanes.sub(scales, lanes.splat(32.0));
        let d = lanes.load_f16_each([*part(block, 108); 16]);
        [lanes.mul(d, scales), lanes.splat(0.0)]
    }
}
