//! What a pass takes by its number of rows, as measured in this run.

use rustix::time::{ClockId, clock_gettime};
use std::ops::{Add, Mul, Sub};
use std::time::Instant;

/// How much of a new measurement is taken over.
const NEW: f64 = 0.2;

/// A measurement counts as at most this many times what was expected: a machine that was busy says little.
const LONGEST: f64 = 3.0;

/// What is left of older measurements in the line through them.
const DECAY: f64 = 0.95;

/// What a row more is taken to cost before it was measured, as a share of a pass with one.
const ROW: f64 = 0.25;

/// How many measurements that guess counts as.
const WEIGHT: f64 = 1.0;

/// Seconds by the clock and of all cores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

impl Cost {
    fn map(self, other: Cost, f: impl Fn(f64, f64) -> f64) -> Cost {
        Cost { wall: f(self.wall, other.wall), cpu: f(self.cpu, other.cpu) }
    }

    /// The larger of each.
    pub(crate) fn at_least(self, other: Cost) -> Cost {
        self.map(other, f64::max)
    }

    /// The smaller of each.
    pub(super) fn at_most(self, other: Cost) -> Cost {
        self.map(other, f64::min)
    }

    /// Whether it is within `other` by either count.
    pub(super) fn is_within(self, other: Cost) -> bool {
        self.wall <= other.wall && self.cpu <= other.cpu
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        self.map(other, |a, b| a + b)
    }
}

impl Sub for Cost {
    type Output = Cost;

    fn sub(self, other: Cost) -> Cost {
        self.map(other, |a, b| a - b)
    }
}

impl Mul<f64> for Cost {
    type Output = Cost;

    fn mul(self, times: f64) -> Cost {
        Cost { wall: self.wall * times, cpu: self.cpu * times }
    }
}

/// A mean that follows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean(Option<Cost>);

impl Mean {
    pub(super) fn saw(&mut self, cost: Cost) {
        self.0 = Some(match self.0 {
            None => cost,
            Some(mean) => mean + (cost.at_most(mean * LONGEST) - mean) * NEW,
        });
    }

    pub(super) fn get(&self) -> Option<Cost> {
        self.0
    }
}

/// Costs of passes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PassCosts {
    /// Of one row: another way of multiplying than that of more, and read as often.
    one: Mean,
    /// Decayed sums over passes of more rows: how many, rows, rows squared, costs, rows times costs.
    count: f64,
    rows: f64,
    squares: f64,
    costs: Cost,
    products: Cost,
}

impl PassCosts {
    /// A pass with this number of rows took this.
    pub(super) fn saw(&mut self, rows: usize, cost: Cost) {
        if rows == 1 {
            return self.one.saw(cost);
        }
        let cost = match self.count > 0.0 {
            true => cost.at_most(self.of(rows).unwrap_or(cost) * LONGEST),
            false => cost,
        };
        let rows = rows as f64;
        self.count = self.count * DECAY + 1.0;
        self.rows = self.rows * DECAY + rows;
        self.squares = self.squares * DECAY + rows * rows;
        self.costs = self.costs * DECAY + cost;
        self.products = self.products * DECAY + cost * rows;
    }

    /// What a pass with this number of rows takes; `None` before any was measured.
    pub(super) fn of(&self, rows: usize) -> Option<Cost> {
        let one = self.one.get();
        if rows == 1 && one.is_some() {
            return one;
        }
        if self.count == 0.0 {
            return one.map(|one| one * (1.0 + ROW * (rows as f64 - 1.0)));
        }
        // The line through what was measured, held to a guess of its slope as long as that is little.
        let (mean, middle) = (self.costs * (1.0 / self.count), self.rows / self.count);
        let around = (self.squares - self.rows * middle).max(0.0);
        let guess = one.unwrap_or(mean * (1.0 / middle)) * ROW;
        let along = self.products - self.costs * middle;
        let slope = (along + guess * WEIGHT) * (1.0 / (around + WEIGHT));
        let slope = slope.at_least(Cost::default());
        let cost = mean + slope * (rows as f64 - middle);
        // More rows never take less than one.
        Some(cost.at_least(one.unwrap_or_default()))
    }
}

/// A moment, by the clock and by what all cores of this process did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: Instant,
    cpu: f64,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { wall: Instant::now(), cpu: cpu_seconds() }
    }

    /// What was taken since.
    pub(crate) fn cost(&self) -> Cost {
        Cost { wall: self.wall.elapsed().as_secs_f64(), cpu: cpu_seconds() - self.cpu }
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(seconds: f64) -> Cost {
        Cost { wall: seconds, cpu: 2.0 * seconds }
    }

    #[test]
    fn rows_that_were_never_measured_follow_from_those_that_were() {
        let mut costs = PassCosts::default();
        assert_eq!(costs.of(1), None);
        costs.saw(1, cost(1.0));
        assert_eq!(costs.of(5), Some(cost(2.0)));
        for turn in 0..200 {
            let rows = 2 + turn % 4;
            costs.saw(rows, cost(1.4 + 0.1 * rows as f64));
        }
        let said = costs.of(8).unwrap();
        assert!((said.wall - 2.2).abs() < 0.05 && (said.cpu - 4.4).abs() < 0.1, "{said:?}");
        assert_eq!(costs.of(1), Some(cost(1.0)));
    }

    #[test]
    fn one_long_pass_does_not_count_for_much() {
        let mut costs = PassCosts::default();
        for _ in 0..20 {
            costs.saw(1, cost(1.0));
        }
        costs.saw(1, cost(100.0));
        assert!(costs.of(1).unwrap().wall < 1.5);
    }
}
