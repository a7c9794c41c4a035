//! How good a prediction is: counted against the truly active neurons.

use flint_geometry::UnitSet;

/// Counts over any number of tokens; ratios are micro-averages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Neurons predicted.
    pub predicted: u64,
    /// Neurons truly active.
    pub active: u64,
    /// Neurons both predicted and truly active.
    pub hit: u64,
}

impl Score {
    /// Adds one token.
    pub fn add(&mut self, predicted: &UnitSet, active: &UnitSet) {
        self.predicted += predicted.len() as u64;
        self.active += active.len() as u64;
        self.hit += predicted.intersection(active).len() as u64;
    }

    /// Share of the active neurons that were predicted; 1 when none was active.
    pub fn recall(&self) -> f64 {
        share(self.hit, self.active)
    }

    /// Share of the predicted neurons that were active; 1 when none was predicted.
    pub fn precision(&self) -> f64 {
        share(self.hit, self.predicted)
    }

    /// Neurons predicted for each active one; the paper reports about 3 for OPT-6.7B.
    pub fn predicted_per_active(&self) -> f64 {
        if self.active == 0 { 1.0 } else { self.predicted as f64 / self.active as f64 }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_count_over_tokens_not_per_token() {
        let set = |indices: &[u32]| UnitSet::from_unsorted(indices.to_vec());
        let mut score = Score::default();
        score.add(&set(&[1, 2, 3]), &set(&[1]));
        score.add(&set(&[]), &set(&[4]));
        assert_eq!((score.recall(), score.precision()), (0.5, 1.0 / 3.0));
        assert_eq!(score.predicted_per_active(), 1.5);
    }

    #[test]
    fn nothing_active_is_nothing_missed() {
        assert_eq!(Score::default().recall(), 1.0);
    }
}
