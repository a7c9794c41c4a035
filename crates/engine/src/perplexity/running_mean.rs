//! The mean of numbers along a text, and how far from it the mean over much more such text may be.

/// Numbers that are averaged before they count as independent: neighbours in a text are alike.
const BLOCK: u64 = 32;

/// A mean that grows, with its interval of 95 % confidence.
///
/// The interval is that of the means of blocks of 32 consecutive numbers, by Student's distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunningMean {
    count: u64,
    sum: f64,
    block: f64,
    /// Of the means of whole blocks: how many, their mean, and the sum of squared distances from it.
    blocks: u64,
    mean: f64,
    squares: f64,
}

impl RunningMean {
    /// Takes the next number.
    pub fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum += number;
        self.block += number;
        if self.count.is_multiple_of(BLOCK) {
            let mean = std::mem::take(&mut self.block) / BLOCK as f64;
            self.blocks += 1;
            let from_old = mean - self.mean;
            self.mean += from_old / self.blocks as f64;
            self.squares += from_old * (mean - self.mean);
        }
    }

    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; NaN of none.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Half of the width of the interval around the mean; `None` before there are two whole blocks.
    pub fn margin(&self) -> Option<f64> {
        let freedom = self.blocks.checked_sub(1).filter(|&freedom| freedom > 0)? as f64;
        let error = (self.squares / freedom / self.blocks as f64).sqrt();
        Some(student(freedom) * error)
    }
}

/// The 97.5th percentile of Student's distribution, within 3 %.
fn student(freedom: f64) -> f64 {
    const OF_ONE: f64 = 12.706;
    if freedom < 1.5 {
        return OF_ONE;
    }
    let part = |power, times: f64| times / freedom.powi(power);
    1.96 + part(1, 2.37) + part(2, 2.82) + part(3, 2.56) + part(4, 1.59)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    #[test]
    fn percentiles_are_those_of_tables() {
        for (freedom, table) in [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (30, 2.042)] {
            let found = student(f64::from(freedom));
            assert!((found / table - 1.0).abs() < 0.03, "{freedom}: {found}, not {table}");
        }
    }

    #[test]
    fn the_interval_holds_the_mean_of_numbers_that_drift_about_nineteen_times_in_twenty() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut next = || f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
        let holds = |_: &usize| {
            let (mut mean, mut state) = (RunningMean::default(), 0.0);
            for _ in 0..1000 {
                // Each number is half of the one before it, and something new.
                state = 0.5 * state + next();
                mean.add(7.0 + state);
            }
            assert_eq!(mean.count(), 1000);
            (mean.mean() - 7.0).abs() <= mean.margin().unwrap()
        };
        let held = (0..400).filter(holds).count();
        assert!((360..=396).contains(&held), "{held} of 400");
    }

    #[test]
    fn one_block_has_no_interval() {
        let mut mean = RunningMean::default();
        assert!(mean.mean().is_nan());
        (0..63).for_each(|_| mean.add(1.5));
        assert_eq!((mean.mean(), mean.margin()), (1.5, None));
        mean.add(1.5);
        assert_eq!(mean.margin(), Some(0.0));
    }
}
