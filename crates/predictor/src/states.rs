//! The seam to collected states: the vectors that a group's up projection multiplied over a text.

use crate::PredictorError;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::io;
use std::ops::Range;

/// Vectors of one group, wherever the caller keeps them.
pub trait States {
    /// Numbers per vector.
    fn width(&self) -> usize;

    /// How many vectors.
    fn tokens(&self) -> usize;

    /// Fills `out` with the vectors of consecutive tokens from `first` on.
    ///
    /// # Errors
    /// When they cannot be read back.
    fn read(&mut self, first: usize, out: &mut [f32]) -> io::Result<()>;
}

/// States in memory, as f16.
#[derive(Debug, Default)]
pub struct HalfStates {
    width: usize,
    numbers: Vec<f16>,
}

impl HalfStates {
    /// No states yet, of `width` numbers each.
    ///
    /// # Panics
    /// When `width` is zero.
    pub fn new(width: usize) -> HalfStates {
        assert!(width > 0, "states have a width");
        HalfStates { width, numbers: Vec::new() }
    }

    /// Adds tokens x width numbers, rounded to f16.
    ///
    /// # Panics
    /// When the last vector is not whole.
    pub fn extend(&mut self, states: &[f32]) {
        assert_eq!(states.len() % self.width, 0, "whole vectors of {} numbers", self.width);
        self.numbers.extend(states.iter().map(|&number| f16::from_f32(number)));
    }
}

impl States for HalfStates {
    fn width(&self) -> usize {
        self.width
    }

    fn tokens(&self) -> usize {
        self.numbers.len() / self.width
    }

    fn read(&mut self, first: usize, out: &mut [f32]) -> io::Result<()> {
        self.numbers[first * self.width..][..out.len()].convert_to_f32_slice(out);
        Ok(())
    }
}

/// Tokens read at a time: enough for the matrix product to be fast, few enough for little memory.
const BATCH: usize = 256;

/// Gives `each` the vectors of `tokens` in batches, each with the index of its first token.
pub(crate) fn for_each_batch(
    states: &mut dyn States,
    tokens: Range<usize>,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<(), PredictorError> {
    assert!(tokens.end <= states.tokens(), "{tokens:?} of {} tokens", states.tokens());
    let width = states.width();
    let mut batch = vec![0.0; BATCH.min(tokens.len()) * width];
    for first in tokens.clone().step_by(BATCH) {
        let batch = &mut batch[..BATCH.min(tokens.end - first) * width];
        read(states, first, batch)?;
        each(first, batch);
    }
    Ok(())
}

/// Reads, naming the token on failure.
pub(crate) fn read(
    states: &mut dyn States,
    first: usize,
    out: &mut [f32],
) -> Result<(), PredictorError> {
    states.read(first, out).map_err(|cause| PredictorError::States { token: first, cause })
}
