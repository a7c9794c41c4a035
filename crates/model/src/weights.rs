//! The seam to dense weights: whoever holds embeddings, attention matrices and norms.

use crate::{Architecture, ModelError, TensorRole};
use candle_core::Tensor;
use flint_geometry::DType;
use flint_kernels::{Arithmetic, Compute, MatrixView, gather_rows, ops};
use std::collections::HashMap;
use std::ops::Deref;

/// Applies the dense weights of a model. The decoder asks in the order of a forward pass, so an
/// implementation may hold all of them or stream them by.
pub trait Weights {
    /// Rows of an embedding table: (rows.len() x width).
    ///
    /// # Errors
    /// When the table is missing or cannot be read.
    fn embed(&mut self, table: TensorRole, rows: &[u32]) -> Result<Tensor, ModelError>;

    /// `input` (tokens x columns) times the transposed matrix, plus the bias: (tokens x rows).
    ///
    /// # Errors
    /// When the matrix or bias is missing or cannot be read.
    fn linear(
        &mut self,
        matrix: TensorRole,
        bias: Option<TensorRole>,
        input: &Tensor,
    ) -> Result<Tensor, ModelError>;

    /// A vector: a norm weight or a bias.
    ///
    /// # Errors
    /// When it is missing.
    fn vector(&self, role: TensorRole) -> Result<&[f32], ModelError>;
}

/// All dense weights in memory, matrices in their stored encoding, vectors as f32.
#[derive(Debug)]
pub struct InMemoryWeights<B> {
    compute: Compute,
    arithmetic: Arithmetic,
    matrices: HashMap<TensorRole, Matrix<B>>,
    vectors: HashMap<TensorRole, Vec<f32>>,
}

#[derive(Debug)]
struct Matrix<B> {
    element: DType,
    rows: usize,
    columns: usize,
    bytes: B,
}

impl<B: Deref<Target = [u8]>> InMemoryWeights<B> {
    /// No weights yet.
    pub fn new(compute: Compute) -> InMemoryWeights<B> {
        InMemoryWeights {
            compute,
            arithmetic: Arithmetic::F32,
            matrices: HashMap::new(),
            vectors: HashMap::new(),
        }
    }

    /// The same with products of quantised matrices in `arithmetic`.
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> InMemoryWeights<B> {
        InMemoryWeights { arithmetic, ..self }
    }

    /// Adds one tensor; `bytes` may be longer than the tensor.
    ///
    /// # Errors
    /// When the bytes are too few for the sizes.
    pub fn insert(
        &mut self,
        role: TensorRole,
        element: DType,
        dims: &[usize],
        bytes: B,
    ) -> Result<(), ModelError> {
        let (rows, columns) = match *dims {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => return Err(misshapen(role, vec![0, 0], dims.to_vec())),
        };
        let matrix = Matrix { element, rows, columns, bytes };
        if dims.len() == 1 {
            let mut values = vec![0.0; columns];
            gather_rows(&self.compute, matrix.view(role)?, &[0], &mut values);
            self.vectors.insert(role, values);
        } else {
            matrix.view(role)?;
            self.matrices.insert(role, matrix);
        }
        Ok(())
    }

    /// Checks that every tensor that the architecture needs is here with its sizes.
    ///
    /// # Errors
    /// Names the first tensor that is missing or misshapen.
    pub fn check(&self, architecture: &Architecture) -> Result<(), ModelError> {
        for spec in architecture.dense_tensors() {
            let got = match spec.dims.len() {
                1 => vec![self.vector(spec.role)?.len()],
                _ => {
                    let matrix = self.matrix(spec.role)?;
                    vec![matrix.rows, matrix.columns]
                }
            };
            if got != spec.dims {
                return Err(misshapen(spec.role, spec.dims, got));
            }
        }
        Ok(())
    }

    /// Whether a matrix is here.
    pub fn holds(&self, role: TensorRole) -> bool {
        self.matrices.contains_key(&role)
    }

    /// `input` times the transposed matrix, plus a bias that lies elsewhere.
    ///
    /// # Errors
    /// When the matrix is missing.
    pub fn product(
        &self,
        matrix: TensorRole,
        bias: Option<&[f32]>,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let view = self.matrix(matrix)?.view(matrix)?.with_arithmetic(self.arithmetic);
        Ok(ops::linear(input, &self.compute, view, bias)?)
    }

    /// Bytes of a matrix; 0 where it is not here.
    pub fn matrix_bytes(&self, role: TensorRole) -> usize {
        let view = self.matrices.get(&role).and_then(|matrix| matrix.view(role).ok());
        view.map_or(0, |view| view.byte_len())
    }

    fn matrix(&self, role: TensorRole) -> Result<&Matrix<B>, ModelError> {
        self.matrices
            .get(&role)
            .ok_or_else(|| ModelError::MissingTensor { tensor: role.to_string() })
    }
}

impl<B: Deref<Target = [u8]>> Matrix<B> {
    fn view(&self, role: TensorRole) -> Result<MatrixView<'_>, ModelError> {
        let wrong = || misshapen(role, vec![self.rows, self.columns], vec![self.bytes.len()]);
        let row = self.element.row_bytes(self.columns as u64).ok_or_else(wrong)?;
        let len = usize::try_from(row).ok().and_then(|row| row.checked_mul(self.rows));
        let bytes = len.and_then(|len| self.bytes.get(..len)).ok_or_else(wrong)?;
        MatrixView::new(self.element, self.rows, self.columns, bytes).map_err(ModelError::supplier)
    }
}

fn misshapen(role: TensorRole, expected: Vec<usize>, got: Vec<usize>) -> ModelError {
    ModelError::Misshapen { tensor: role.to_string(), expected, got }
}

impl<B: Deref<Target = [u8]>> Weights for InMemoryWeights<B> {
    fn embed(&mut self, table: TensorRole, rows: &[u32]) -> Result<Tensor, ModelError> {
        let matrix = self.matrix(table)?;
        let mut values = vec![0.0; rows.len() * matrix.columns];
        gather_rows(&self.compute, matrix.view(table)?, rows, &mut values);
        Ok(ops::from_vec(values, (rows.len(), matrix.columns))?)
    }

    fn linear(
        &mut self,
        matrix: TensorRole,
        bias: Option<TensorRole>,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let bias = bias.map(|role| self.vector(role)).transpose()?;
        self.product(matrix, bias, input)
    }

    fn vector(&self, role: TensorRole) -> Result<&[f32], ModelError> {
        self.vectors
            .get(&role)
            .map(Vec::as_slice)
            .ok_or_else(|| ModelError::MissingTensor { tensor: role.to_string() })
    }
}
