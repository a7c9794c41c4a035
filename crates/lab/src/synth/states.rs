//! States that lie in memory as they were, for what measures predictors.

use flint_predictor::States;
use std::io;

/// Positions x `width` numbers.
pub(super) struct InMemory<'a> {
    pub(super) width: usize,
    pub(super) numbers: &'a [f32],
}

impl States for InMemory<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn tokens(&self) -> usize {
        self.numbers.len() / self.width
    }

    fn read(&mut self, first: usize, out: &mut [f32]) -> io::Result<()> {
        out.copy_from_slice(&self.numbers[first * self.width..][..out.len()]);
        Ok(())
    }
}
