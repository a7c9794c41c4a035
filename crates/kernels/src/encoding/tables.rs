//! IQ4_NL, IQ4_XS and MXFP4: codes of 4 bits that stand for integers in a table.
//!
//! IQ4_NL: `d f16 | qs[16]`, `d * T[q]`. IQ4_XS: `d f16 | scales_h u16 | scales_l[4] | qs[128]`, eight sub-blocks,
//! `d * (s - 32) * T[q]` with s of six bits. MXFP4: `e u8 | qs[16]`, `2^(e - 128) * M[q]`.

use super::blocks::{Blocks, View, by_lane, halves, low_and_high, nibbles, part, sub_block};
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
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        look_up_all(lanes, &IQ4, nibbles(lanes, round, 2, half))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
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
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        let [even, odd] = lanes.deal(part(round[half], 8));
        look_up_all(lanes, &IQ4, [low_and_high(lanes, even), low_and_high(lanes, odd)])
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        let [first, second] = *round;
        let scales = in_turn(six_bits(part(first, 2)), six_bits(part(second, 2)));
        let [scales, ..] = lanes.unsigned(lanes.quarters([&scales; 4]));
        let scales = lanes.sub(scales, lanes.splat(32.0));
        // Lanes take two sub-blocks of either block in turn.
        let (first, second) = (*part(first, 0), *part(second, 0));
        let [first, second] = [first, second].map(u16::from_le_bytes).map(u64::from);
        let twice = |half: u64| half | half << 16;
        let four = (twice(first) | twice(second) << 32).to_le_bytes();
        let mut d = [0; 32];
        for to in d.as_chunks_mut().0 {
            *to = four;
        }
        [lanes.mul(lanes.load_f16(&d), scales), lanes.splat(0.0)]
    }
}

impl Blocks for Mxfp4 {
    const SUB: usize = 32;
    const BIAS: u8 = 16;
    const WIDE: bool = false;
    const MINIMA: bool = false;

    type Round = [[u8; 17]; 16];

    #[inline(always)]
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2] {
        look_up_all(lanes, &E2M1, nibbles(lanes, round, 1, half))
    }

    #[inline(always)]
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2] {
        let exponents = by_lane(|lane| round[sub_block(32, lane)][0]);
        [lanes.powers(exponents), lanes.splat(0.0)]
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

/// The eight scales of a block of IQ4_XS: two bits of each in the first two bytes, four in the others.
#[inline(always)]
fn six_bits(packed: &[u8; 6]) -> u64 {
    let high = u64::from(u16::from_le_bytes(*part(packed, 0)));
    let high = (high | high << 24) & 0x0000_00ff_0000_00ff;
    let high = (high | high << 12) & 0x000f_000f_000f_000f;
    let high = (high | high << 6) & 0x0303_0303_0303_0303;
    let low = u64::from(u32::from_le_bytes(*part(packed, 2)));
    let low = (low | low << 16) & 0x0000_ffff_0000_ffff;
    let low = (low | low << 8) & 0x00ff_00ff_00ff_00ff;
    let low = (low | low << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    low | high << 4
}

/// Two bytes of one, two of the other, and so on.
#[inline(always)]
fn in_turn(first: u64, second: u64) -> [u8; 16] {
    let (mut to, first, second) = ([0; 16], first.to_le_bytes(), second.to_le_bytes());
    for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(0..) {
        let at = 2 * from;
        *to = [first[at], first[at + 1], second[at], second[at + 1]];
    }
    to
}
