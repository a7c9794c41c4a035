//! A matrix of stored weights, seen in place: wherever its bytes lie, nothing is copied.

use crate::encoding::{Quantised, dispatch};
use crate::lanes::{Kernel, LANES, Lanes, Line};
use crate::widen::{STRETCH, WidenRow};
use crate::{Arithmetic, Compute, DType, KernelError};
use std::ops::Range;

/// `rows` x `cols` weights, row after row, at any byte alignment, and the arithmetic of their products.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    element: DType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: &'a [u8],
    arithmetic: Arithmetic,
}

impl<'a> MatrixView<'a> {
    /// A matrix over `bytes`, little-endian, with products in f32.
    ///
    /// # Errors
    /// When `bytes` is not exactly as long as the shape says, or a row is not a whole number of blocks.
    pub fn new(
        element: DType,
        rows: usize,
        cols: usize,
        bytes: &'a [u8],
    ) -> Result<MatrixView<'a>, KernelError> {
        let row_bytes =
            element.row_bytes(cols as u64).and_then(|bytes| usize::try_from(bytes).ok());
        match row_bytes {
            Some(row_bytes) if row_bytes.checked_mul(rows) == Some(bytes.len()) => {
                let arithmetic = Arithmetic::F32;
                Ok(MatrixView { element, rows, cols, row_bytes, bytes, arithmetic })
            }
            _ => Err(KernelError::MatrixBytes { element, rows, cols, got: bytes.len() }),
        }
    }

    /// The same matrix with products in `arithmetic`, where its weights are quantised; others are always multiplied
    /// in f32.
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> MatrixView<'a> {
        let arithmetic = if self.element.is_quantised() { arithmetic } else { Arithmetic::F32 };
        MatrixView { arithmetic, ..self }
    }

    /// The arithmetic of its products.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
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
pub fn gather_rows(c: &Compute, weights: MatrixView<'_>, rows: &[u32], out: &mut [f32]) {
    assert_eq!(out.len(), rows.len() * weights.cols, "embed writes one row per index");
    for (&row, out) in rows.iter().zip(out.chunks_mut(weights.cols.max(1))) {
        let (row, path) = (weights.row(row as usize), c.path());
        dispatch!(
            weights.element,
            number encoding => path.run(Widen { encoding, row, out }),
            block blocks => path.run(Widen { encoding: Quantised(blocks), row, out }),
        );
    }
}

/// Widens one row of weights to f32; `out` has as many numbers as the row.
struct Widen<'a, E> {
    #[expect(dead_code, reason = "its type is what counts")]
    encoding: E,
    row: &'a [u8],
    out: &'a mut [f32],
}

impl<E: WidenRow> Kernel for Widen<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut lines = [Line::ZERO; STRETCH];
        let stretches = self.out.chunks_mut(STRETCH * LANES);
        for (out, from) in stretches.zip((0..).step_by(STRETCH)) {
            let lines = &mut lines[..out.len().div_ceil(LANES)];
            E::widen(lanes, self.row, from, lines);
            for (out, line) in out.chunks_mut(LANES).zip(lines) {
                out.copy_from_slice(&line.0[..out.len()]);
            }
        }
    }
}
