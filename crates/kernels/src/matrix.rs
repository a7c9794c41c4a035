//! A matrix of stored weights, seen in place: wherever its bytes lie, nothing is copied.

use crate::element::{Bf16, Element, F16, F32};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::{Compute, DType, KernelError};
use std::ops::Range;

/// `rows` x `cols` weights, row after row, at any byte alignment.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    element: DType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: &'a [u8],
}

impl<'a> MatrixView<'a> {
    /// A matrix over `bytes`, little-endian.
    ///
    /// # Errors
    /// When `bytes` is not exactly as long as the shape says.
    pub fn new(
        element: DType,
        rows: usize,
        cols: usize,
        bytes: &'a [u8],
    ) -> Result<MatrixView<'a>, KernelError> {
        let row_bytes =
            element.row_bytes(cols as u64).and_then(|bytes| usize::try_from(bytes).ok());
        match row_bytes {
            _ if element.is_quantised() => Err(KernelError::NoKernel { element }),
            Some(row_bytes) if row_bytes.checked_mul(rows) == Some(bytes.len()) => {
                Ok(MatrixView { element, rows, cols, row_bytes, bytes })
            }
            _ => Err(KernelError::MatrixBytes { element, rows, cols, got: bytes.len() }),
        }
    }

    /// Encoding of the weights.
    pub fn element(&self) -> DType {
        self.element
    }

    /// Rows: numbers that a product gives per token.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Numbers per row: what a product takes per token.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of the whole matrix.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Some rows, as a matrix.
    ///
    /// # Panics
    /// When the range ends past the last row.
    pub fn rows(&self, range: Range<usize>) -> MatrixView<'a> {
        assert!(range.end <= self.rows, "rows {range:?} of a matrix of {}", self.rows);
        let bytes = &self.bytes[range.start * self.row_bytes..range.end * self.row_bytes];
        MatrixView { rows: range.len(), bytes, ..*self }
    }

    /// Bytes of one row.
    #[inline(always)]
    pub(crate) fn row(&self, index: usize) -> &'a [u8] {
        &self.bytes[index * self.row_bytes..][..self.row_bytes]
    }
}

/// Looks rows up: writes row `rows[i]` of `weights` as f32 to the i-th row of `out`, exactly.
///
/// `out` is `rows.len()` x `weights.cols()`.
///
/// # Panics
/// When `out` has another size or an index is past the last row.
pub fn embed(c: &Compute, weights: MatrixView<'_>, rows: &[u32], out: &mut [f32]) {
    assert_eq!(out.len(), rows.len() * weights.cols, "embed writes one row per index");
    for (&row, out) in rows.iter().zip(out.chunks_mut(weights.cols.max(1))) {
        c.path().run(Widen { element: weights.element, row: weights.row(row as usize), out });
    }
}

/// Widens one row of weights to f32.
struct Widen<'a> {
    element: DType,
    row: &'a [u8],
    out: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.element {
            DType::F16 => widen::<L, F16>(lanes, self.row, self.out),
            DType::Bf16 => widen::<L, Bf16>(lanes, self.row, self.out),
            DType::F32 => widen::<L, F32>(lanes, self.row, self.out),
            quantised => unreachable!("{quantised} has no kernel here"),
        }
    }
}

/// Writes `row` as f32; `out` has as many numbers as the row.
#[inline(always)]
fn widen<L: Lanes, E: Element>(lanes: L, row: &[u8], out: &mut [f32]) {
    let (out, rest) = out.as_chunks_mut::<LANES>();
    for (chunk, out) in E::whole(row).iter().zip(out) {
        lanes.store(E::load(lanes, chunk), out);
    }
    if !rest.is_empty() {
        let mut padded = [0.0; LANES];
        lanes.store(E::load(lanes, &E::tail(row)), &mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}
