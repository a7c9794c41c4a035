//! For models whose activations are never zero: the neurons that add most, seen through low-bit copies of their rows.
//!
//! What a neuron adds to the sum is its activation, times its up product where the model is gated, along its down column: so
//! its score is the magnitude of that product times the length of the column. A neuron with a strong gate may add
//! little, which is why thresholds on activations alone (CATS) cost more quality at the same share.
//!
//! What it does not name is not zero. A low-bit copy of the down columns stands in for it: activations and up products are known
//! from the other copies, so what weak neurons add is added with the error of 4 bits. That costs quality; how much
//! belongs to the predictor and is stored with it. Groups stored before there were copies of columns leave those neurons out.

mod calibration;
mod rows;
mod stored;
mod strengths;

use crate::levels::{Level, LevelledLayer};
use crate::{BlobFault, GateRows, Precision, ThresholdLayer, ThresholdPredictor};
pub use calibration::{Judged, NeuronRows};
use flint_kernels::{Activation, Compute};
use rows::CopiedRows;
pub use strengths::{Strengths, thresholds};

/// The neurons that add most, of every group.
pub type Contribution = ThresholdPredictor<ContributionGroup>;

/// The neurons of one group that add at least the threshold, by the copies.
#[derive(Debug, Clone, PartialEq)]
pub struct ContributionGroup {
    activation: Activation,
    /// Deciding rows, then, in gated models, up rows.
    copies: CopiedRows,
    /// The matrix of the down columns, by its rows; not in groups that were stored without.
    down: Option<CopiedRows>,
    /// How long the down column of each neuron is.
    lengths: Vec<f32>,
    perplexity_exact: Option<f64>,
    /// Ascending by sparsity.
    levels: Vec<Level>,
    threshold: f32,
}

impl ContributionGroup {
    /// Copies the rows of a group; all of it is kept until levels are set.
    pub fn copy(compute: &Compute, rows: &NeuronRows<'_>) -> ContributionGroup {
        let both: Vec<GateRows<'_>> =
            [Some(rows.deciding), rows.up].into_iter().flatten().collect();
        ContributionGroup {
            activation: rows.deciding.activation(),
            copies: CopiedRows::copy(&both, compute),
            down: Some(CopiedRows::transpose(rows.columns, compute)),
            lengths: rows.lengths.to_vec(),
            perplexity_exact: None,
            levels: Vec::new(),
            threshold: 0.0,
        }
    }

    /// Bytes that a group of this shape takes in memory.
    pub fn bytes_of(width: usize, neurons: usize, gated: bool) -> u64 {
        let rows = neurons.saturating_mul(1 + usize::from(gated));
        let bytes = |width, rows| CopiedRows::bytes_of(width, rows).unwrap_or(usize::MAX) as u64;
        let lengths = (neurons * size_of::<f32>()) as u64;
        bytes(width, rows).saturating_add(bytes(neurons, width)).saturating_add(lengths)
    }

    /// Bytes that a stored group of this shape has at most.
    pub fn most_stored_bytes(width: usize, neurons: usize, gated: bool) -> u64 {
        ContributionGroup::bytes_of(width, neurons, gated).saturating_add(stored::MOST_BEFORE)
    }

    /// Notes what each sparsity does in this group.
    ///
    /// # Panics
    /// When sparsities do not ascend between 0 and 1, or there are none or more than 16.
    pub fn set_levels(&mut self, levels: Vec<Level>) {
        assert!(stored::are_possible(&levels), "sparsities ascend from 0 to 1");
        self.threshold = levels[0].threshold;
        self.levels = levels;
    }

    /// Notes what was measured of the whole model: with every neuron, and at each level, how well both are known included.
    ///
    /// # Panics
    /// When there are not as many measurements as levels.
    pub fn set_costs(&mut self, exact: f64, levels: &[(f64, Precision)]) {
        assert_eq!(levels.len(), self.levels.len(), "one measurement per level");
        self.perplexity_exact = Some(exact);
        for (level, &(perplexity, precision)) in self.levels.iter_mut().zip(levels) {
            (level.perplexity, level.precision) = (Some(perplexity), Some(precision));
        }
    }

    /// Scores, and values where they are wanted.
    fn multiply(
        &self,
        compute: &Compute,
        input: &[f32],
        scores: &mut [f32],
        mut values: Option<&mut Vec<f32>>,
    ) {
        let positions = input.len() / self.width();
        assert_eq!(scores.len(), positions * self.neurons(), "one score per neuron and position");
        self.copies.multiply(compute, input, |position, products| {
            let found = self.values(compute, products);
            if let Some(values) = &mut values {
                values.extend_from_slice(found);
            }
            let of_position = scores.iter_mut().skip(position).step_by(positions);
            let found = of_position.zip(found).zip(&self.lengths);
            found.for_each(|((score, value), length)| *score = value.abs() * length);
        });
    }

    /// Turns the products of one position with all rows into what the column of each neuron is multiplied with.
    fn values<'a>(&self, compute: &Compute, products: &'a mut [f32]) -> &'a [f32] {
        let (values, ups) = products.split_at_mut(self.lengths.len());
        self.activation.apply_slice(compute, values);
        values.iter_mut().zip(ups).for_each(|(value, up)| *value *= *up);
        values
    }
}

impl LevelledLayer for ContributionGroup {
    fn levels(&self) -> &[Level] {
        &self.levels
    }

    fn activation(&self) -> Activation {
        self.activation
    }

    fn perplexity_exact(&self) -> Option<f64> {
        self.perplexity_exact
    }
}

impl ThresholdLayer for ContributionGroup {
    const KIND: &'static str = "contribution";

    fn width(&self) -> usize {
        self.copies.width()
    }

    fn neurons(&self) -> usize {
        self.lengths.len()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        self.multiply(compute, input, scores, None);
    }

    fn scores_and_values(
        &self,
        compute: &Compute,
        input: &[f32],
        scores: &mut [f32],
        values: &mut Vec<f32>,
    ) {
        values.clear();
        if self.down.is_some() {
            values.reserve_exact(scores.len());
        }
        self.multiply(compute, input, scores, self.down.is_some().then_some(values));
    }

    fn stands_in(&self) -> bool {
        self.down.is_some()
    }

    fn add_values(&self, compute: &Compute, values: &[f32], sum: &mut [f32]) {
        let Some(down) = &self.down else { return };
        let width = self.width();
        down.multiply(compute, values, |position, products| {
            let sum = &mut sum[position * width..][..width];
            sum.iter_mut().zip(products).for_each(|(sum, product)| *sum += *product);
        });
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    fn bytes(&self) -> u64 {
        let copies = self.copies.bytes() + self.down.as_ref().map_or(0, CopiedRows::bytes);
        (copies + self.lengths.len() * size_of::<f32>()) as u64
    }

    fn to_bytes(&self) -> Vec<u8> {
        stored::write(self)
    }

    fn from_bytes(
        width: usize,
        neurons: usize,
        bytes: &[u8],
    ) -> Result<ContributionGroup, BlobFault> {
        stored::read(width, neurons, bytes)
    }
}
