//! The predictor that is never wrong, because it multiplies the true rows: for tests and upper bounds.

use crate::{Predictor, PredictorError};
use flint_geometry::{DType, UnitSet};
use flint_kernels::{Activation, Compute, MatrixView, matmul};

/// Names exactly the neurons whose activation is not zero. It holds the rows that decide (the gate
/// projection of gated models, else up), so it saves no memory; it says what a perfect predictor would.
#[derive(Debug)]
pub struct Oracle {
    activation: Activation,
    groups: Vec<OracleGroup>,
    scores: Vec<f32>,
}

/// The deciding rows of one group.
#[derive(Debug)]
pub struct OracleGroup {
    /// Encoding of the rows.
    pub element: DType,
    /// How many neurons.
    pub neurons: usize,
    /// Numbers per row.
    pub width: usize,
    /// neurons x width, row by row.
    pub rows: Vec<u8>,
    /// One number per neuron.
    pub bias: Option<Vec<f32>>,
}

impl Oracle {
    /// An oracle over all groups of a model with this activation.
    ///
    /// # Panics
    /// When `activation` gives no exact zeros: there is nothing to foresee then.
    pub fn new(activation: Activation, groups: Vec<OracleGroup>) -> Oracle {
        assert!(activation.is_sparse(), "{activation:?} gives no exact zeros");
        Oracle { activation, groups, scores: Vec::new() }
    }
}

impl Predictor for Oracle {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        let known = self.groups.len();
        let rows = self.groups.get(group).ok_or(PredictorError::UnknownGroup { group, known })?;
        let positions = sets.len();
        if input.len() != positions * rows.width {
            let got = input.len();
            return Err(PredictorError::InputSize { got, positions, width: rows.width });
        }
        let matrix = MatrixView::new(rows.element, rows.neurons, rows.width, &rows.rows)
            .map_err(|error| PredictorError::Rows { cause: error.to_string() })?;
        self.scores.resize(positions * rows.neurons, 0.0);
        matmul(compute, matrix, input, rows.bias.as_deref(), &mut self.scores);
        self.activation.apply_slice(compute, &mut self.scores);
        for (set, scores) in sets.iter_mut().zip(self.scores.chunks_exact(rows.neurons)) {
            set.clear();
            for (neuron, &score) in (0u32..).zip(scores) {
                if score != 0.0 {
                    set.push(neuron);
                }
            }
        }
        Ok(())
    }

    fn add_others(
        &mut self,
        _: &Compute,
        _: usize,
        _: &[UnitSet],
        _: &mut [f32],
    ) -> Result<(), PredictorError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let group = |g: &OracleGroup| g.rows.len() + g.bias.as_ref().map_or(0, |b| b.len() * 4);
        self.groups.iter().map(|g| group(g) as u64).sum()
    }

    fn kind(&self) -> &'static str {
        "oracle"
    }
}
