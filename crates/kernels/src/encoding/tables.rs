//! IQ4_NL, IQ4_XS and MXFP4: codes of 4 bits that stand for integers in a table.
//!
//! IQ4_NL: `d f16 | qs[16]`, `d * T[q]`. IQ4_XS: `d f16 | scales_h u16 | scales_l[4] | qs[128]`, eight sub-blocks,
//! `d * (s - 32) * T[q]` with s of six bits. MXFP4: `e u8 | qs[16]`, `2^(e - 128) * M[q]`.

use super::blocks::{Blocks, by_lane, halves, low_and_high, nibbles, numbers, part, sub_block};
use crate::lanes::{Bytes, Lanes};

/// T of the module, plus 128.
const IQ4: [u8; 16] = [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

/// M of the module, plus 16: twice the numbers of E2M1.
const E2M1: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];

/// Blocks of 32, one scale.
#[derive(Clone, Copy)]
pub(crate) struct Iq4Nl;

/// Blocks of 256, scales of 6 bits per 32.
#[derive(Clone, Copy)]
pub(crate) struct Iq4Xs;

/// Blocks of 32, one scale that is a power of two.
#[derive(Clone, Copy)]
pub(crate) struct Mxfp4;

impl Blocks for Iq4Nl {
    const SUB: usize = 32;
    const BIAS: u8 = 128;
    const WIDE: bool = true;
    const MINIMA: bool = false;

    type Round = [[u8; 18]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &Self::Round, half: usize) -> [[L::B; 2]; 2] {
        look_up_all(lanes, &IQ4, nibbles(lanes, round, 2, half))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &Self::Round) -> [L::V; 2] {
        [lanes.load_f16_each(halves(round, 0)), lanes.splat(0.0)]
    }
}

impl Blocks for Iq4Xs {
    const SUB: usize = 32;
    const BIAS: u8 = 128;
    const WIDE: bool = true;
    const MINIMA: bool = false;

    type Round = [[u8; 136]; 2];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &Self::Round, half: usize) -> [[L::B; 2]; 2] {
        let [even, odd] = lanes.deal(part(&round[half], 8));
        look_up_all(lanes, &IQ4, [low_and_high(lanes, even), low_and_high(lanes, odd)])
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &Self::Round) -> [L::V; 2] {
        let scales = by_lane(|lane| {
            let (block, index) = (&round[sub_block(32, lane) / 8], sub_block(32, lane) % 8);
            let high = u16::from_le_bytes(*part(block, 2));
            let low = block[4 + index / 2] >> (4 * (index % 2)) & 15;
            low | ((high >> (2 * index) & 3) as u8) << 4
        });
        let [scales, _] = numbers(lanes, &scales, &scales);
        let scales = lanes.sub(scales, lanes.splat(32.0));
        let d = by_lane(|lane| *part(&round[sub_block(32, lane) / 8], 0));
        [lanes.mul(lanes.load_f16_each(d), scales), lanes.splat(0.0)]
    }
}

impl Blocks for Mxfp4 {
    const SUB: usize = 32;
    const BIAS: u8 = 16;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 17]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &Self::Round, half: usize) -> [[L::B; 2]; 2] {
        look_up_all(lanes, &E2M1, nibbles(lanes, round, 1, half))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &Self::Round) -> [L::V; 2] {
        let scales = by_lane(|lane| {
            let exponent = u32::from(round[sub_block(32, lane)][0]);
            // 2^-128 and 2^-127 are below the normal numbers.
            let below = 0x0020_0000 << exponent.min(1);
            let bits = if exponent < 2 { below } else { (exponent - 1) << 23 };
            f32::from_bits(bits)
        });
        [lanes.load(&scales), lanes.splat(0.0)]
    }
}

#[inline(always)]
fn look_up_all<L: Bytes>(lanes: L, table: &[u8; 16], codes: [[L::B; 2]; 2]) -> [[L::B; 2]; 2] {
    let [[a, b], [c, d]] = codes;
    [
        [lanes.look_up(table, a), lanes.look_up(table, b)],
        [lanes.look_up(table, c), lanes.look_up(table, d)],
    ]
}
