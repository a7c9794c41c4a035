//! Products and orthonormal rows of f32 matrices, on the kernels of the workspace.

use crate::PredictorError;
use flint_kernels::{Compute, DType, MatrixView, matmul};

/// Rows that are made orthogonal to the rest at a time.
const BLOCK: usize = 64;

/// A matrix as the kernels take it.
pub(super) struct Matrix {
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
}

impl Matrix {
    /// `numbers`, row by row.
    pub(super) fn new(numbers: &[f32], columns: usize) -> Matrix {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Matrix { rows: numbers.len() / columns, columns, bytes }
    }

    /// `x self^T`: for each row of `x`, its product with each row of the matrix.
    pub(super) fn times(&self, compute: &Compute, x: &[f32]) -> Result<Vec<f32>, PredictorError> {
        let view = MatrixView::new(DType::F32, self.rows, self.columns, &self.bytes)
            .map_err(|error| PredictorError::Rows { cause: error.to_string() })?;
        Ok(multiplied(compute, view, x))
    }
}

/// `x rows^T`.
pub(super) fn multiplied(compute: &Compute, rows: MatrixView<'_>, x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len() / rows.cols() * rows.row_count()];
    matmul(compute, rows, x, None, &mut out);
    out
}

/// Columns as rows.
pub(super) fn transposed(numbers: &[f32], columns: usize) -> Vec<f32> {
    /// Sides of a tile whose lines stay in the first cache.
    const TILE: usize = 16;
    let rows = numbers.len() / columns;
    let mut out = vec![0.0; numbers.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_column in (0..columns).step_by(TILE) {
            for row in first_row..rows.min(first_row + TILE) {
                for column in first_column..columns.min(first_column + TILE) {
                    out[column * rows + row] = numbers[row * columns + column];
                }
            }
        }
    }
    out
}

/// Makes the rows of `numbers` orthonormal, each in the span of itself and those before it. Blocks are
/// made orthogonal among themselves and then taken out of all later rows; once more for the rounding.
pub(super) fn orthonormalise(
    compute: &Compute,
    numbers: &mut [f32],
    columns: usize,
) -> Result<(), PredictorError> {
    for _ in 0..2 {
        let mut rest = &mut *numbers;
        while !rest.is_empty() {
            let (block, later) = rest.split_at_mut((BLOCK * columns).min(rest.len()));
            orthonormalise_block(block, columns);
            let parts = Matrix::new(block, columns).times(compute, later)?;
            let rows = block.len() / columns;
            let taken = Matrix::new(&transposed(block, columns), rows).times(compute, &parts)?;
            later.iter_mut().zip(taken).for_each(|(number, taken)| *number -= taken);
            rest = later;
        }
    }
    Ok(())
}

/// Gram-Schmidt, modified: each finished row is taken out of the later ones.
fn orthonormalise_block(block: &mut [f32], columns: usize) {
    let mut rest = block;
    while let Some((row, later)) = rest.split_at_mut_checked(columns).filter(|(r, _)| !r.is_empty())
    {
        let length = dot(row, row).sqrt();
        let inverse = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
        row.iter_mut().for_each(|number| *number *= inverse);
        for other in later.chunks_exact_mut(columns) {
            let part = dot(row, other) as f32;
            other.iter_mut().zip(&*row).for_each(|(number, row)| *number -= part * row);
        }
        rest = later;
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
