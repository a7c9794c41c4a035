//! The encodings of weights as types, so that each kernel is compiled once per encoding.

use crate::lanes::{LANES, Lanes};

/// An encoding: how sixteen stored numbers become sixteen f32.
pub(crate) trait Element: Copy {
    /// Bytes of sixteen numbers.
    type Chunk: Copy;

    /// Bytes of sixteen numbers, as a number.
    const CHUNK_BYTES: usize;

    /// The whole chunks of a row.
    fn whole(row: &[u8]) -> &[Self::Chunk];

    /// What follows the whole chunks of a row, padded with zeros: zero bytes are the number zero in
    /// every encoding here.
    fn tail(row: &[u8]) -> Self::Chunk;

    /// Widens a chunk, exactly.
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::V;
}

/// IEEE 754 binary16.
#[derive(Clone, Copy)]
pub(crate) struct F16;

/// bfloat16.
#[derive(Clone, Copy)]
pub(crate) struct Bf16;

/// IEEE 754 binary32.
#[derive(Clone, Copy)]
pub(crate) struct F32;

impl Element for F16 {
    type Chunk = [u8; 2 * LANES];

    const CHUNK_BYTES: usize = 2 * LANES;

    #[inline(always)]
    fn whole(row: &[u8]) -> &[Self::Chunk] {
        row.as_chunks().0
    }

    #[inline(always)]
    fn tail(row: &[u8]) -> Self::Chunk {
        padded(row.as_chunks::<{ Self::CHUNK_BYTES }>().1)
    }

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::V {
        lanes.load_f16(chunk)
    }
}

impl Element for Bf16 {
    type Chunk = [u8; 2 * LANES];

    const CHUNK_BYTES: usize = 2 * LANES;

    #[inline(always)]
    fn whole(row: &[u8]) -> &[Self::Chunk] {
        row.as_chunks().0
    }

    #[inline(always)]
    fn tail(row: &[u8]) -> Self::Chunk {
        padded(row.as_chunks::<{ Self::CHUNK_BYTES }>().1)
    }

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::V {
        lanes.load_bf16(chunk)
    }
}

impl Element for F32 {
    type Chunk = [u8; 4 * LANES];

    const CHUNK_BYTES: usize = 4 * LANES;

    #[inline(always)]
    fn whole(row: &[u8]) -> &[Self::Chunk] {
        row.as_chunks().0
    }

    #[inline(always)]
    fn tail(row: &[u8]) -> Self::Chunk {
        padded(row.as_chunks::<{ Self::CHUNK_BYTES }>().1)
    }

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::V {
        lanes.load_f32(chunk)
    }
}

/// `rest`, followed by zeros.
#[inline(always)]
pub(crate) fn padded<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut chunk = [T::default(); N];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}
