//! Fading frequency: each use counts, and counts half as much after each half-life.

use super::{Policy, TICKS};
use std::num::NonZeroU8;

/// The weight of a record at token `n` is the sum over its uses `t` of `2^((t - n) / half_life)` (LRFU, Lee
/// et al. 2001). The score is that weight's logarithm, measured in time: the token at which one single
/// use would weigh as much. All weights fade alike, so a score stands still until the next use.
#[derive(Debug)]
pub(super) struct Frequency {
    /// By the distance of two scores in ticks: by how much their sum scores above the higher one.
    gain: Vec<u32>,
}

impl Frequency {
    /// A use counts half after `half_life` tokens.
    pub(super) fn new(half_life: NonZeroU8) -> Frequency {
        Frequency { gain: (0..reach(half_life)).map(|ticks| gain(half_life, ticks)).collect() }
    }

    /// Bytes of heap of the table.
    pub(super) fn heap_bytes(half_life: NonZeroU8) -> u64 {
        u64::from(reach(half_life)) * size_of::<u32>() as u64
    }
}

impl Policy for Frequency {
    fn score(&self, now: u32, earlier: Option<u32>) -> u32 {
        let once = now * TICKS;
        let Some(earlier) = earlier else { return once };
        let apart = once.abs_diff(earlier) as usize;
        once.max(earlier) + self.gain.get(apart).copied().unwrap_or(0)
    }

    fn window(&self) -> Option<u32> {
        None
    }
}

/// Half-life in ticks.
fn half_life_ticks(half_life: NonZeroU8) -> f64 {
    f64::from(half_life.get()) * f64::from(TICKS)
}

/// `log(1 + 2^-x)` in ticks, for scores `ticks` apart.
fn gain(half_life: NonZeroU8, ticks: u32) -> u32 {
    let unit = half_life_ticks(half_life);
    (unit * (-f64::from(ticks) / unit).exp2().ln_1p() / std::f64::consts::LN_2).round() as u32
}

/// The distance in ticks from which the lower score adds less than half a tick.
fn reach(half_life: NonZeroU8) -> u32 {
    let unit = half_life_ticks(half_life);
    (-unit * ((0.5 / unit).exp2() - 1.0).log2()).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The score by its definition, in tokens.
    fn exact(half_life: u8, uses: &[u32]) -> f64 {
        let half_life = f64::from(half_life);
        let last = f64::from(uses[uses.len() - 1]);
        let weight: f64 =
            uses.iter().map(|&token| ((f64::from(token) - last) / half_life).exp2()).sum();
        last + half_life * weight.log2()
    }

    proptest! {
        #[test]
        fn a_score_is_the_logarithm_of_faded_uses(
            half_life in 1u8..=255,
            gaps in proptest::collection::vec(0u32..100, 1..200),
        ) {
            let frequency = Frequency::new(NonZeroU8::new(half_life).unwrap());
            let (mut now, mut score, mut uses) = (0, None, Vec::new());
            for gap in gaps {
                now += gap;
                uses.push(now);
                score = Some(frequency.score(now, score));
            }
            let (got, want) = (f64::from(score.unwrap()) / f64::from(TICKS), exact(half_life, &uses));
            // Half a tick per use, which later uses dampen: well inside one part in a hundred of a weight.
            let tolerance = 0.25 + 0.02 * f64::from(half_life);
            prop_assert!((got - want).abs() <= tolerance, "got {got}, want {want}");
        }
    }

    #[test]
    fn the_table_ends_where_it_would_add_nothing() {
        for half_life in [1, 4, 15, 255].map(|tokens| NonZeroU8::new(tokens).unwrap()) {
            assert_eq!(gain(half_life, reach(half_life)), 0);
            assert_eq!(gain(half_life, reach(half_life) - 1), 1);
        }
    }

    #[test]
    fn a_sum_of_equals_scores_one_half_life_more() {
        let frequency = Frequency::new(NonZeroU8::new(4).unwrap());
        assert_eq!(frequency.score(10, Some(10 * TICKS)), 14 * TICKS);
    }
}
