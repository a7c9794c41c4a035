//! Low-bit copies of what exact mode streams, with which a whole pass is computed from memory: roughly, for drafts alone.

mod load;
mod neurons;
mod stored;

pub(crate) use load::load;
pub(crate) use neurons::{NeuronCopies, RoughNeurons};
pub use stored::store_copies;

use crate::dense::DenseWeights;
use candle_core::Tensor;
use flint_iobuf::Lease;
use flint_model::{InMemoryWeights, ModelError, TensorRole, Weights};

/// The copies.
pub(crate) struct Substitutes {
    pub(crate) matrices: InMemoryWeights<Lease>,
    /// Of neurons that are records and not pinned.
    pub(crate) neurons: Option<NeuronCopies>,
}

/// Exact weights where they are in memory, copies elsewhere.
pub(crate) struct RoughWeights<'a> {
    pub(crate) exact: &'a mut DenseWeights,
    pub(crate) copies: &'a mut InMemoryWeights<Lease>,
}

impl Weights for RoughWeights<'_> {
    fn embed(&mut self, table: TensorRole, rows: &[u32]) -> Result<Tensor, ModelError> {
        match self.copies.holds(table) {
            true => self.copies.embed(table, rows),
            false => self.exact.embed(table, rows),
        }
    }

    fn linear(
        &mut self,
        matrix: TensorRole,
        bias: Option<TensorRole>,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        if !self.copies.holds(matrix) {
            return self.exact.linear(matrix, bias, input);
        }
        let bias = bias.map(|role| self.exact.vector(role)).transpose()?;
        self.copies.product(matrix, bias, input)
    }

    fn vector(&self, role: TensorRole) -> Result<&[f32], ModelError> {
        self.exact.vector(role)
    }
}
