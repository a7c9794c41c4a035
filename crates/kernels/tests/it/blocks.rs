//! Quantised blocks by the words of the format: the slow twin of what the kernels unpack in registers.

use crate::twin::bytes;
use flint_kernels::DType;
use half::f16;

/// Every quantised type.
pub(crate) const QUANTISED: [DType; 13] = [
    DType::Q8_0,
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q2K,
    DType::Q3K,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
    DType::Iq4Nl,
    DType::Iq4Xs,
    DType::Mxfp4,
];

const IQ4: [i32; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const E2M1: [i32; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Where a block keeps its binary16 numbers.
pub(crate) fn halves(dtype: DType) -> &'static [usize] {
    match dtype {
        DType::Q8_0 | DType::Q4_0 | DType::Q5_0 | DType::Iq4Nl | DType::Iq4Xs => &[0],
        DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => &[0, 2],
        DType::Q2K => &[80, 82],
        DType::Q3K => &[108],
        DType::Q6K => &[208],
        _ => &[],
    }
}

/// Blocks of any codes, whose scales are such that weights are below about 2.
pub(crate) fn stored(dtype: DType, numbers: usize, seed: u64) -> Vec<u8> {
    let count = numbers / dtype.block_len();
    let mut stored = bytes(count * dtype.block_bytes(), seed);
    let scale = match dtype {
        DType::Q8_0 | DType::Iq4Nl => 1.0 / 128.0,
        DType::Q4_0 | DType::Q4_1 | DType::Q5_0 | DType::Q5_1 => 1.0 / 16.0,
        DType::Q2K => 1.0 / 64.0,
        DType::Q3K => 1.0 / 256.0,
        DType::Q4K | DType::Q5K => 1.0 / 2048.0,
        _ => 1.0 / 8192.0,
    };
    for (index, block) in stored.chunks_mut(dtype.block_bytes()).enumerate() {
        for &at in halves(dtype) {
            // Any mantissa, either sign.
            let part = f32::from(block[at]) / 256.0 + 0.5;
            let sign = if block[at + 1] & 8 == 0 { 1.0 } else { -1.0 };
            block[at..at + 2].copy_from_slice(&f16::from_f32(scale * part * sign).to_le_bytes());
        }
        if dtype == DType::Mxfp4 {
            block[0] = 120 + (index % 7) as u8;
        }
    }
    stored
}

/// Numbers that share a scale.
pub(crate) struct SubBlock {
    pub(crate) scale: f32,
    pub(crate) minimum: Option<f32>,
    pub(crate) codes: Vec<i32>,
}

/// What stored blocks mean.
pub(crate) fn decode(dtype: DType, stored: &[u8]) -> Vec<f32> {
    let number = |sub: &SubBlock, code: i32| match sub.minimum {
        Some(minimum) => sub.scale * code as f32 - minimum,
        None => sub.scale * code as f32,
    };
    let numbers =
        |sub: SubBlock| -> Vec<f32> { sub.codes.iter().map(|&code| number(&sub, code)).collect() };
    sub_blocks(dtype, stored).into_iter().flat_map(numbers).collect()
}

/// The sub-blocks of stored blocks, in their order.
pub(crate) fn sub_blocks(dtype: DType, stored: &[u8]) -> Vec<SubBlock> {
    stored.chunks(dtype.block_bytes()).flat_map(|block| of_block(dtype, block)).collect()
}

fn of_block(dtype: DType, b: &[u8]) -> Vec<SubBlock> {
    let half = |at: usize| f16::from_le_bytes([b[at], b[at + 1]]).to_f32();
    let one = |scale: f32, minimum: Option<f32>, codes: Vec<i32>| {
        vec![SubBlock { scale, minimum, codes }]
    };
    let table = |table: [i32; 16], at: usize| {
        nibbles(&b[at..]).into_iter().map(|q| table[q as usize]).collect()
    };
    let less = |codes: Vec<i32>, bias: i32| codes.into_iter().map(|q| q - bias).collect();
    match dtype {
        DType::Q8_0 => one(half(0), None, b[2..].iter().map(|&q| i32::from(q as i8)).collect()),
        DType::Q4_0 => one(half(0), None, less(nibbles(&b[2..]), 8)),
        DType::Q4_1 => one(half(0), Some(-half(2)), nibbles(&b[4..])),
        DType::Q5_0 => one(half(0), None, less(five_bits(&b[2..6], &b[6..]), 16)),
        DType::Q5_1 => one(half(0), Some(-half(2)), five_bits(&b[4..8], &b[8..])),
        DType::Iq4Nl => one(half(0), None, table(IQ4, 2)),
        DType::Mxfp4 => one(2f64.powi(i32::from(b[0]) - 128) as f32, None, table(E2M1, 1)),
        DType::Q2K => q2_k(b, half(80), half(82)),
        DType::Q3K => q3_k(b, half(108)),
        DType::Q4K => q4_k(b, half(0), half(2), None),
        DType::Q5K => q4_k(b, half(0), half(2), Some(&b[16..48])),
        DType::Q6K => q6_k(b, half(208)),
        DType::Iq4Xs => iq4_xs(b, half(0)),
        _ => unreachable!("{dtype} has no blocks"),
    }
}

/// The low four bits of sixteen bytes, then the high ones.
fn nibbles(b: &[u8]) -> Vec<i32> {
    let low = b[..16].iter().map(|q| i32::from(q & 15));
    low.chain(b[..16].iter().map(|q| i32::from(q >> 4))).collect()
}

fn five_bits(high: &[u8], b: &[u8]) -> Vec<i32> {
    let high = u32::from_le_bytes(high.try_into().unwrap());
    let codes = nibbles(b).into_iter().enumerate();
    codes.map(|(i, q)| q | ((high >> i & 1) << 4) as i32).collect()
}

fn q2_k(b: &[u8], d: f32, dmin: f32) -> Vec<SubBlock> {
    let mut all = Vec::new();
    for half in b[16..80].chunks(32) {
        for shift in [0, 2, 4, 6] {
            for sixteen in half.chunks(16) {
                let factors = b[all.len()];
                all.push(SubBlock {
                    scale: d * f32::from(factors & 15),
                    minimum: Some(dmin * f32::from(factors >> 4)),
                    codes: sixteen.iter().map(|q| i32::from(q >> shift & 3)).collect(),
                });
            }
        }
    }
    all
}

fn q3_k(b: &[u8], d: f32) -> Vec<SubBlock> {
    let mut all = Vec::new();
    for (half, codes) in b[32..96].chunks(32).enumerate() {
        for shift in [0, 2, 4, 6] {
            for first in [0, 16] {
                let k = all.len();
                let low = if k < 8 { b[96 + k] & 15 } else { b[96 + k - 8] >> 4 };
                let high = b[96 + 8 + k % 4] >> (2 * (k / 4)) & 3;
                let scale = i32::from(low | high << 4) - 32;
                let code = |i: usize| {
                    let set = b[i] >> (4 * half + shift / 2) & 1 == 1;
                    i32::from(codes[i] >> shift & 3) - if set { 0 } else { 4 }
                };
                all.push(SubBlock {
                    scale: d * scale as f32,
                    minimum: None,
                    codes: (first..first + 16).map(code).collect(),
                });
            }
        }
    }
    all
}

fn q4_k(b: &[u8], d: f32, dmin: f32, high: Option<&[u8]>) -> Vec<SubBlock> {
    let s = &b[4..16];
    let mut all = Vec::new();
    for (pair, codes) in b[16 + high.map_or(0, <[u8]>::len)..].chunks(32).enumerate() {
        for second in [0, 1] {
            let k = 2 * pair + second;
            let (scale, minimum) = if k < 4 {
                (s[k] & 63, s[k + 4] & 63)
            } else {
                (s[k + 4] & 15 | (s[k - 4] >> 6) << 4, s[k + 4] >> 4 | (s[k] >> 6) << 4)
            };
            let code = |(i, q): (usize, &u8)| {
                let fifth = high.map_or(0, |high| high[i] >> k & 1);
                i32::from(q >> (4 * second) & 15 | fifth << 4)
            };
            all.push(SubBlock {
                scale: d * f32::from(scale),
                minimum: Some(dmin * f32::from(minimum)),
                codes: codes.iter().enumerate().map(code).collect(),
            });
        }
    }
    all
}

fn q6_k(b: &[u8], d: f32) -> Vec<SubBlock> {
    let mut codes = [0; 256];
    for half in 0..2 {
        let (ql, qh) = (&b[64 * half..][..64], &b[128 + 32 * half..][..32]);
        for l in 0..32 {
            let four = [
                ql[l] & 15 | (qh[l] & 3) << 4,
                ql[l + 32] & 15 | (qh[l] >> 2 & 3) << 4,
                ql[l] >> 4 | (qh[l] >> 4 & 3) << 4,
                ql[l + 32] >> 4 | (qh[l] >> 6) << 4,
            ];
            for (group, q) in four.into_iter().enumerate() {
                codes[128 * half + 32 * group + l] = i32::from(q) - 32;
            }
        }
    }
    let sub = |(k, codes): (usize, &[i32])| SubBlock {
        scale: d * f32::from(b[192 + k] as i8),
        minimum: None,
        codes: codes.to_vec(),
    };
    codes.chunks(16).enumerate().map(sub).collect()
}

fn iq4_xs(b: &[u8], d: f32) -> Vec<SubBlock> {
    let high = u16::from_le_bytes([b[2], b[3]]);
    let sub = |(k, codes): (usize, &[u8])| {
        let low = b[4 + k / 2] >> (4 * (k % 2)) & 15;
        let scale = i32::from(low) + i32::from(high >> (2 * k) & 3) * 16 - 32;
        SubBlock {
            scale: d * scale as f32,
            minimum: None,
            codes: nibbles(codes).into_iter().map(|q| IQ4[q as usize]).collect(),
        }
    };
    b[8..].chunks(16).enumerate().map(sub).collect()
}
