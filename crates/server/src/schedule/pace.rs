//! How many prompt tokens go beside tokens that others wait for.

use std::time::Duration;

/// Fewest prompt tokens beside others: below this a prompt would hardly move on.
const FEWEST: usize = 4;

/// How much longer a pass with prompt tokens may take than one without, as a share: so the gap between two tokens of
/// another is at most about twice the usual.
const EXTRA: f64 = 0.9;

/// How much of a new measurement is taken over.
const NEW: f64 = 0.25;

/// What passes took so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// Seconds of a pass without prompt tokens.
    plain: Option<f64>,
    /// Seconds of a prompt token more.
    each: Option<f64>,
}

impl Pace {
    /// Prompt tokens for a pass in which others wait for their next token.
    pub(super) fn beside_others(&self, most: usize) -> usize {
        let rows = match (self.plain, self.each) {
            (Some(plain), Some(each)) if each > 0.0 => (plain * EXTRA / each) as usize,
            // Nothing is known yet: a few tell.
            _ => 2 * FEWEST,
        };
        rows.clamp(FEWEST, most.max(FEWEST))
    }

    /// A pass took this long, with these numbers of tokens of answers and of prompts.
    pub(super) fn took(&mut self, answers: usize, prompts: usize, time: Duration) {
        let seconds = time.as_secs_f64();
        let blend =
            |old: Option<f64>, new: f64| Some(old.map_or(new, |old| old + NEW * (new - old)));
        if prompts == 0 {
            self.plain = blend(self.plain, seconds);
        } else if answers > 0
            && let Some(plain) = self.plain
        {
            // Never nothing: a pass that was quicker than usual says little.
            let each = ((seconds - plain) / prompts as f64).max(plain * 1e-3);
            self.each = blend(self.each, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which a pass takes 10 ms and each prompt token a quarter of one.
    fn machine(prompts: usize) -> Duration {
        Duration::from_secs_f64(0.010 + 0.000_25 * prompts as f64)
    }

    #[test]
    fn a_pass_with_prompt_tokens_takes_at_most_twice_as_long() {
        let mut pace = Pace::default();
        pace.took(4, 0, machine(0));
        let mut rows = 0;
        for _ in 0..40 {
            rows = pace.beside_others(512);
            pace.took(4, rows, machine(rows));
        }
        assert!((30..=40).contains(&rows), "{rows}");
        assert_eq!(pace.beside_others(16), 16);
    }

    #[test]
    fn a_prompt_always_moves_on() {
        let mut pace = Pace::default();
        assert_eq!(pace.beside_others(1), FEWEST);
        pace.took(1, 0, Duration::from_micros(1));
        pace.took(1, 8, Duration::from_secs(1));
        assert_eq!(pace.beside_others(512), FEWEST);
    }
}
