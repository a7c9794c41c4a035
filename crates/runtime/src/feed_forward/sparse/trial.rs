//! Whether guesses are worth their price: layers are timed with them and without, side by side.
//!
//! A guess saves waiting. It costs a prediction, and it moves the CPU of reads to where the cores have other work: on a fast disk
//! that is more than it saves. So now and then each layer is guessed in one token and not in the next, and what was
//! faster over all layers is done until the next trial. It moves reads alone, never an output.

/// Tokens of a trial: two pairs of each layer.
const TOKENS: u32 = 4;

/// Tokens before the first trial: while the cache fills, far more is read than later, and guesses look better than they are.
const FIRST_REST: u32 = 8;

/// Tokens between trials where both ways are as fast.
const REST: u32 = 32;

/// The more one way loses, the later it is tried again: with a loss of one twentieth, after twice the rest. So trials never
/// cost more than a hundredth.
const LATER: f64 = 20.0;

/// Tokens between trials at most.
const MOST_REST: u32 = 1024;

/// One in so many layers is left out at both ends: a disk that stops for a moment says nothing about guesses.
const OUTLIERS: usize = 8;

/// Who is ahead, and the trial under way.
#[derive(Debug)]
pub(super) struct Trial {
    worth: bool,
    /// Tokens until the next trial; none while one is under way.
    rest: u32,
    /// Tokens of the trial that are over.
    token: u32,
    /// Seconds of each layer in the trial: without guesses, and with them.
    seconds: Vec<[f64; 2]>,
}

impl Trial {
    /// Guesses are made until a trial finds them not worth it.
    pub(super) fn new(layers: u32) -> Trial {
        Trial { worth: true, rest: FIRST_REST, token: 0, seconds: vec![[0.0; 2]; layers as usize] }
    }

    /// Whether to guess `layer` in this token.
    pub(super) fn guesses(&self, layer: u32) -> bool {
        if self.rest == 0 { (layer + self.token).is_multiple_of(2) } else { self.worth }
    }

    /// Hears how long `layer` took, from before its attention to the end of its feed-forward.
    pub(super) fn layer_took(&mut self, layer: u32, seconds: f64) {
        if self.rest == 0 {
            let way = usize::from(self.guesses(layer));
            self.seconds[layer as usize][way] += seconds;
        }
    }

    /// Ends a token that could have been guessed.
    pub(super) fn end_token(&mut self) {
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        self.token += 1;
        if self.token == TOKENS {
            self.decide();
        }
    }

    fn decide(&mut self) {
        let mut saved: Vec<f64> =
            self.seconds.iter().map(|[without, with]| without - with).collect();
        saved.sort_by(f64::total_cmp);
        let outliers = saved.len() / OUTLIERS;
        let saved: f64 = saved[outliers..saved.len() - outliers].iter().sum();
        let all: f64 = self.seconds.iter().flatten().sum::<f64>() / 2.0;
        self.worth = saved > 0.0;
        let loss = if all > 0.0 { saved.abs() / all } else { 0.0 };
        self.rest = ((1.0 + LATER * loss) * f64::from(REST)).min(f64::from(MOST_REST)) as u32;
        tracing::debug!(worth = self.worth, saved, of = all, rest = self.rest, "guesses tried");
        self.token = 0;
        self.seconds.fill([0.0; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs tokens of 32 layers; gives how many layers were guessed.
    fn run(trial: &mut Trial, tokens: u32, seconds: impl Fn(u32, bool) -> f64) -> u32 {
        let mut guessed = 0;
        for _ in 0..tokens {
            for layer in 0..32 {
                let guess = trial.guesses(layer);
                guessed += u32::from(guess);
                trial.layer_took(layer, seconds(layer, guess));
            }
            trial.end_token();
        }
        guessed
    }

    #[test]
    fn the_faster_way_is_taken_and_layers_need_not_be_alike() {
        let layer = |layer: u32| 10.0 + f64::from(layer);
        let mut trial = Trial::new(32);
        assert_eq!(run(&mut trial, FIRST_REST, |_, _| 0.0), 32 * FIRST_REST);
        assert_eq!(run(&mut trial, TOKENS, |l, with| layer(l) * if with { 1.05 } else { 1.0 }), 64);
        assert_eq!(run(&mut trial, REST, |_, _| 0.0), 0, "not worth it");
        let mut trial = Trial::new(32);
        run(&mut trial, FIRST_REST + TOKENS, |l, with| layer(l) * if with { 0.95 } else { 1.0 });
        assert_eq!(run(&mut trial, REST, |_, _| 0.0), 32 * REST, "worth it");
    }

    #[test]
    fn a_change_of_the_machine_is_found_and_trials_cost_little() {
        let mut trial = Trial::new(32);
        let worse = |_: u32, with: bool| if with { 1.5 } else { 1.0 };
        run(&mut trial, FIRST_REST, worse);
        let guessed = run(&mut trial, 2000, worse);
        assert!(0.5 * f64::from(guessed) < 0.01 * 2000.0 * 32.0, "{guessed} layers");
        let better = |_: u32, with: bool| if with { 0.8 } else { 1.0 };
        run(&mut trial, MOST_REST, better);
        assert_eq!(run(&mut trial, 8, better), 8 * 32);
    }

    #[test]
    fn a_moment_of_a_stopped_disk_decides_nothing() {
        let mut trial = Trial::new(32);
        run(&mut trial, FIRST_REST + TOKENS, |layer, with| match (layer, with) {
            (3, false) => 90.0,
            (_, true) => 1.1,
            (_, false) => 1.0,
        });
        assert_eq!(run(&mut trial, 1, |_, _| 0.0), 0);
    }
}
