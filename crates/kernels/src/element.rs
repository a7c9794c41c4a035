//! The encodings of weights as types, so that each kernel is compiled once per encoding.

use crate::lanes::{LANES, Lanes};

/// An encoding: how sixteen stored numbers become sixteen f32.
pub(crate) trait Element: Copy {
    /// Bytes of sixteen numbers.
    type Chunk: Copy;

    /// Bytes of sixteen numbers, as a number.
    const CHUNK_BYTES: usize;

    /// Cuts a row into whole chunks and what is left, padded with zeros; `None` when nothing is.
    fn chunks(row: &[u8]) -> (&[Self::Chunk], Option<Self::Chunk>);

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
    fn chunks(row: &[u8]) -> (&[Self::Chunk], Option<Self::Chunk>) {
        padded_chunks(row)
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
    fn chunks(row: &[u8]) -> (&[Self::Chunk], Option<Self::Chunk>) {
        padded_chunks(row)
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
    fn chunks(row: &[u8]) -> (&[Self::Chunk], Option<Self::Chunk>) {
        padded_chunks(row)
    }

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::V {
        lanes.load_f32(chunk)
    }
}

/// Zero bytes are the number zero in every encoding here, so the padding multiplies to nothing.
#[inline(always)]
fn padded_chunks<const N: usize>(row: &[u8]) -> (&[[u8; N]], Option<[u8; N]>) {
    let (whole, rest) = row.as_chunks::<N>();
    (whole, (!rest.is_empty()).then(|| padded(rest)))
}

/// `rest`, followed by zeros.
#[inline(always)]
pub(crate) fn padded<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut chunk = [T::default(); N];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}
