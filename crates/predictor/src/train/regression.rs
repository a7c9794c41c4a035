//! Reduced-rank regression: the product of two small matrices that comes nearest to the rows that decide, on
//! the states that occur.
//!
//! With Y = X W^T (tokens x neurons, centred), the nearest matrix of rank r is Y V V^T, where V holds the r
//! leading eigenvectors of Y^T Y = W C W^T and C is the covariance of the states. So B = V and A = V^T W. The
//! eigenvectors are found by subspace iteration; the best factors of every smaller rank are the first
//! rows of those of a larger one.

use super::eigen::symmetric_eigen;
use super::linear::{Matrix, multiplied, orthonormalise, transposed};
use super::random::Random;
use crate::factors::Factors;
use crate::states::for_each_batch;
use crate::{
    Activity, GateRows, LowRankGroup, PredictorError, Rung, States, ThresholdLayer, calibrate,
};
use flint_kernels::Compute;
use std::ops::Range;

/// Directions followed beside those asked for: the last ones converge slowest.
const SPARE: usize = 16;

/// Subspace iterations: each damps a direction by the ratio of its eigenvalue to the smallest one followed.
const ITERATIONS: usize = 6;

/// The regression of one group, for every rank up to a largest one.
#[derive(Debug)]
pub struct Regression {
    width: usize,
    /// Rank x neurons: V, one eigenvector per row.
    vectors: Vec<f32>,
    /// Rank x width: V^T W.
    inner: Vec<f32>,
    /// Standard deviation of the states in each direction, largest first.
    spread: Vec<f32>,
    /// Mean of what each neuron's activation is applied to, less the point at which it turns on.
    mean: Vec<f32>,
    /// V^T W times the mean state.
    centre: Vec<f32>,
}

/// Mean and covariance of states.
struct Moments {
    mean: Vec<f32>,
    covariance: Vec<f32>,
}

impl Regression {
    /// The regression of `deciding` on the states of `tokens`, up to `rank` (or what the shape allows).
    /// Memory: W and its directions in f32, and three matrices of width x width.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When there are no tokens, the rank is zero, or states and rows have different widths.
    pub fn fit(
        compute: &Compute,
        deciding: &GateRows<'_>,
        states: &mut dyn States,
        tokens: Range<usize>,
        rank: usize,
        seed: u64,
    ) -> Result<Regression, PredictorError> {
        assert!(rank > 0 && !tokens.is_empty(), "a rank and tokens to learn from");
        assert_eq!(states.width(), deciding.width(), "states are as wide as the rows");
        let (width, neurons) = (deciding.width(), deciding.neurons());
        let largest = width.min(neurons);
        let moments = Moments::of(compute, states, tokens)?;
        let covariance = Matrix::new(&moments.covariance, width);
        let columns = columns(compute, deciding);
        let mut random = Random::new(seed);
        let followed = (rank + SPARE).min(largest);
        let mut basis: Vec<f32> = (0..followed * neurons).map(|_| random.uniform()).collect();
        for _ in 0..ITERATIONS {
            orthonormalise(compute, &mut basis, neurons)?;
            let inner = covariance.times(compute, &columns.times(compute, &basis)?)?;
            basis = multiplied(compute, deciding.rows(), &inner);
        }
        orthonormalise(compute, &mut basis, neurons)?;
        Regression::turn(compute, deciding, &columns, &moments, &basis, rank.min(largest))
    }

    /// Turns `basis` into eigenvectors and keeps the first `rank`.
    fn turn(
        compute: &Compute,
        deciding: &GateRows<'_>,
        columns: &Matrix,
        moments: &Moments,
        basis: &[f32],
        rank: usize,
    ) -> Result<Regression, PredictorError> {
        let (width, neurons) = (deciding.width(), deciding.neurons());
        let followed = basis.len() / neurons;
        let covariance = Matrix::new(&moments.covariance, width);
        let inner = columns.times(compute, basis)?;
        let spread =
            Matrix::new(&inner, width).times(compute, &covariance.times(compute, &inner)?)?;
        let eigen = symmetric_eigen(spread.into_iter().map(f64::from).collect(), followed);
        let turn: Vec<f32> = eigen.vectors[..rank * followed].iter().map(|&x| x as f32).collect();
        let vectors = Matrix::new(&transposed(basis, neurons), followed).times(compute, &turn)?;
        let inner = Matrix::new(&transposed(&inner, width), followed).times(compute, &turn)?;
        let mut mean = multiplied(compute, deciding.rows(), &moments.mean);
        mean.iter_mut().zip(0..).for_each(|(mean, neuron)| *mean += deciding.offset(neuron));
        let centre = Matrix::new(&inner, width).times(compute, &moments.mean)?;
        let spread =
            eigen.values[..rank].iter().map(|value| value.max(0.0).sqrt() as f32).collect();
        Ok(Regression { width, vectors, inner, spread, mean, centre })
    }

    /// The largest rank there is.
    pub fn rank(&self) -> usize {
        self.spread.len()
    }

    /// The factors of a rank. The first matrix is scaled so that each of its outputs varies by one: their
    /// rounding then weighs the same, whatever the direction.
    ///
    /// # Panics
    /// When `rank` is zero or larger than [`Regression::rank`].
    pub fn factors(&self, rank: usize) -> Factors {
        assert!((1..=self.rank()).contains(&rank), "rank {rank} of {}", self.rank());
        let neurons = self.mean.len();
        let scale =
            |k: usize| self.spread[k].max(self.spread[0] * f32::EPSILON).max(f32::MIN_POSITIVE);
        let rows = self.inner.chunks_exact(self.width).take(rank).enumerate();
        let inner = rows.flat_map(|(k, row)| row.iter().map(move |x| x / scale(k))).collect();
        let outer = (0..neurons)
            .flat_map(|n| (0..rank).map(move |k| self.vectors[k * neurons + n] * scale(k)))
            .collect();
        let bias = (0..neurons)
            .map(|n| {
                let centre = (0..rank).map(|k| self.vectors[k * neurons + n] * self.centre[k]);
                self.mean[n] - centre.sum::<f32>()
            })
            .collect();
        Factors::new(rank, inner, outer, bias)
    }

    /// What each of `ranks` would predict with a threshold for this recall, untrained but as stored, on
    /// tokens that the regression did not see: how sensitive the group is.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// As for [`Regression::factors`], and when there are no tokens.
    pub fn ladder(
        &self,
        compute: &Compute,
        ranks: &[usize],
        states: &mut dyn States,
        activity: &Activity,
        tokens: Range<usize>,
        recall: f64,
    ) -> Result<Vec<Rung>, PredictorError> {
        let rung = |&rank: &usize| {
            let mut group = LowRankGroup::quantise(&self.factors(rank));
            let found = calibrate(compute, &mut group, states, activity, tokens.clone(), recall)?;
            Ok(Rung { rank, bytes: group.bytes(), predicted: found.predicted_mean() })
        };
        ranks.iter().map(rung).collect()
    }
}

impl Moments {
    fn of(
        compute: &Compute,
        states: &mut dyn States,
        tokens: Range<usize>,
    ) -> Result<Moments, PredictorError> {
        let (width, count) = (states.width(), tokens.len() as f64);
        let mut sums = vec![0.0f64; width];
        let mut products = vec![0.0f64; width * width];
        let mut failed = None;
        for_each_batch(states, tokens, |_, batch| {
            for row in batch.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let columns = transposed(batch, width);
            match Matrix::new(&columns, batch.len() / width).times(compute, &columns) {
                Ok(new) => products.iter_mut().zip(new).for_each(|(p, new)| *p += f64::from(new)),
                Err(error) => failed = Some(error),
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let centred =
            |(i, p): (usize, &f64)| (p / count - mean[i / width] * mean[i % width]) as f32;
        let covariance = products.iter().enumerate().map(centred).collect();
        Ok(Moments { mean: mean.iter().map(|&x| x as f32).collect(), covariance })
    }
}

/// The rows that decide, as columns: width x neurons.
fn columns(compute: &Compute, deciding: &GateRows<'_>) -> Matrix {
    let (width, neurons) = (deciding.width(), deciding.neurons());
    let mut rows = vec![0.0; width * neurons];
    for (neuron, row) in rows.chunks_exact_mut(width).enumerate() {
        deciding.row(compute, neuron, row);
    }
    Matrix::new(&transposed(&rows, width), neurons)
}
