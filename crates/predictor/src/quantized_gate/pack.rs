//! A row of weights in 2 to 4 bits each.
//!
//! The codes 0 to 2^bits - 1 stand for the odd multiples of half a step, as many above zero as below: that
//! matters when there are only four. A row is one plane of two bits per weight, for 3 bits followed by one of
//! one bit, for 4 by another of two; a plane of p bits has `len = width p / 8` bytes (the width rounded up to
//! a multiple of eight), and bits `k p ..` of its byte j belong to weight `k len + j`. So planes are unpacked by
//! the same few operations on many bytes at once.

/// Scales that are tried for a row, as shares of the one that clips nothing.
const CLIPS: [f32; 8] = [1.0, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52, 0.44];

/// Bytes of a packed row.
pub(super) fn packed_bytes(width: usize, bits: usize) -> usize {
    width.div_ceil(8) * bits
}

/// Appends `row` to `packed`; returns what the unpacked integers are multiples of.
pub(super) fn pack(row: &[f32], bits: usize, packed: &mut Vec<u8>) -> f32 {
    let highest = (1 << bits) - 1;
    let scale = best_scale(row, highest);
    let step = inverse(scale);
    let mut codes: Vec<u8> = row.iter().map(|&weight| code(weight, step, highest) as u8).collect();
    codes.resize(row.len().next_multiple_of(8), 0);
    pack_plane(&codes, 2, 0, packed);
    match bits {
        2 => {}
        3 => pack_plane(&codes, 1, 2, packed),
        _ => pack_plane(&codes, 2, 2, packed),
    }
    scale
}

/// Appends bits `from .. from + plane` of the codes.
fn pack_plane(codes: &[u8], plane: usize, from: usize, packed: &mut Vec<u8>) {
    let len = codes.len() * plane / 8;
    let mask = (1u8 << plane) - 1;
    packed.extend((0..len).map(|j| {
        let bits = |k: usize| ((codes[k * len + j] >> from) & mask) << (k * plane);
        (0..8 / plane).map(bits).sum::<u8>()
    }));
}

/// The integers of a packed row, padded to a multiple of eight.
#[inline(always)]
pub(super) fn unpack(packed: &[u8], bits: usize, row: &mut Vec<i8>) {
    row.clear();
    row.resize(packed.len() / bits * 8, 0);
    let (low, high) = packed.split_at(row.len() / 4);
    unpack_plane::<2, 0>(low, row);
    match bits {
        2 => {}
        3 => unpack_plane::<1, 2>(high, row),
        _ => unpack_plane::<2, 2>(high, row),
    }
    let highest = (1i8 << bits).wrapping_sub(1);
    row.iter_mut().for_each(|code| *code = 2 * *code - highest);
}

/// Puts the bits of a plane to bit `FROM` of each code.
#[inline(always)]
fn unpack_plane<const PLANE: usize, const FROM: usize>(plane: &[u8], row: &mut [i8]) {
    let mask = (1u8 << PLANE) - 1;
    if plane.is_empty() {
        return;
    }
    for (k, codes) in row.chunks_exact_mut(plane.len()).enumerate() {
        for (code, byte) in codes.iter_mut().zip(plane) {
            *code |= (((byte >> (k * PLANE)) & mask) << FROM) as i8;
        }
    }
}

/// The scale with the smallest sum of squared errors.
fn best_scale(row: &[f32], highest: i32) -> f32 {
    let largest = row.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
    let mut best = (f32::INFINITY, 0.0);
    for clip in CLIPS {
        let scale = largest * clip / highest as f32;
        let step = inverse(scale);
        let off = |&weight: &f32| {
            let stored = (2 * code(weight, step, highest) - highest) as f32 * scale;
            (stored - weight) * (stored - weight)
        };
        let error: f32 = row.iter().map(off).sum();
        if error < best.0 {
            best = (error, scale);
        }
    }
    best.1
}

/// The code nearest to `weight`; `steps` is one over the scale.
fn code(weight: f32, steps: f32, highest: i32) -> i32 {
    // A cast truncates, which is rounding down where it matters: below zero the clamp decides.
    let place = (weight * steps + highest as f32) * 0.5 + 0.5;
    (place as i32).clamp(0, highest)
}

fn inverse(scale: f32) -> f32 {
    if scale > 0.0 { 1.0 / scale } else { 0.0 }
}
