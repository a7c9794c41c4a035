//! Whether guesses are worth their price: layers are timed with them and without, side by side.
//!
//! A guess saves waiting. It costs a prediction, and it moves the CPU of reads to where the cores have other work: on a fast disk
//! that is more than it saves. So now and then some layers are guessed in one token and the others in the next, and what was
//! faster over all layers is done until the next trial. Either way moves reads alone, never an output. What a guess costs
//! layers after its own is not counted: its late reads, and the slots it took.

/// Tokens of a trial: each layer twice with guesses and twice without, of which the faster counts, for a disk that stops
/// for a moment says nothing about guesses.
const TOKENS: u32 = 4;

/// Layers in a row that are treated alike, so that most of them follow one of their kind.
const BLOCK: u32 = 4;

/// Tokens before the first trial, in which more is read than later; chosen and not tuned.
const FIRST_REST: u32 = 8;

/// Tokens between trials where both ways are as fast.
const REST: u32 = 32;

/// The more one way loses, the later it is tried again: with a loss of one twentieth, after twice the rest. In a long run
/// trials cost less than a hundredth, unless one way takes five times as long.
const LATER: f64 = 20.0;

/// Tokens between trials at most.
const MOST_REST: u32 = 1024;

/// No time yet.
const UNSEEN: [f64; 2] = [f64::INFINITY; 2];

/// Which way is ahead, and the trial under way.
#[derive(Debug)]
pub(super) struct PrefetchTuner {
    guesses_pay: bool,
    /// Tokens until the next trial; none while one is under way.
    rest: u32,
    /// Tokens of the trial that are over.
    token: u32,
    /// The least seconds of each layer in the trial: without guesses, and with them.
    seconds: Vec<[f64; 2]>,
}

impl PrefetchTuner {
    /// Prefetches are made until a trial finds that they do not pay.
    pub(super) fn new(layers: u32) -> PrefetchTuner {
        let seconds = vec![UNSEEN; layers as usize];
        PrefetchTuner { guesses_pay: true, rest: FIRST_REST, token: 0, seconds }
    }

    /// Whether to guess `layer` in this token.
    pub(super) fn asks_for(&self, layer: u32) -> bool {
        if self.rest > 0 {
            return self.guesses_pay;
        }
        (layer / BLOCK + self.token).is_multiple_of(2)
    }

    /// Hears how long `layer` took as asked, from before its attention to the end of its feed-forward.
    pub(super) fn layer_took(&mut self, layer: u32, seconds: f64) {
        if self.rest == 0 {
            let way = usize::from(self.asks_for(layer));
            let least = &mut self.seconds[layer as usize][way];
            *least = least.min(seconds);
        }
    }

    /// Ends a token that could be guessed.
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

    /// After a token that failed: a trial that is under way begins anew.
    pub(super) fn abandon(&mut self) {
        self.token = 0;
        self.seconds.fill(UNSEEN);
    }

    fn decide(&mut self) {
        let seen = self.seconds.iter().filter(|seconds| seconds.iter().all(|s| s.is_finite()));
        let (without, with) =
            seen.fold((0.0, 0.0), |(without, with), layer| (without + layer[0], with + layer[1]));
        let faster = without.min(with);
        let mut loss = 0.0;
        if faster > 0.0 {
            self.guesses_pay = with < without;
            loss = (without - with).abs() / faster;
        }
        self.rest = ((1.0 + LATER * loss) * f64::from(REST)).min(f64::from(MOST_REST)) as u32;
        tracing::debug!(without, with, guesses_pay = self.guesses_pay, rest = self.rest, "tried");
        self.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs tokens of 32 layers; gives how many layers were guessed.
    fn run(
        trials: &mut PrefetchTuner,
        tokens: u32,
        mut seconds: impl FnMut(u32, bool) -> f64,
    ) -> u32 {
        let mut guessed = 0;
        for _ in 0..tokens {
            for layer in 0..32 {
                let guess = trials.asks_for(layer);
                guessed += u32::from(guess);
                trials.layer_took(layer, seconds(layer, guess));
            }
            trials.end_token();
        }
        guessed
    }

    #[test]
    fn the_faster_way_is_taken_and_layers_need_not_be_alike() {
        let layer = |layer: u32| 10.0 + f64::from(layer);
        let mut trials = PrefetchTuner::new(32);
        assert_eq!(run(&mut trials, FIRST_REST, |_, _| 1.0), 32 * FIRST_REST);
        let dear = |l, with| layer(l) * if with { 1.05 } else { 1.0 };
        assert_eq!(run(&mut trials, TOKENS, dear), 16 * TOKENS);
        assert_eq!(run(&mut trials, REST, |_, _| 1.0), 0, "they do not pay");
        let mut trials = PrefetchTuner::new(32);
        run(&mut trials, FIRST_REST + TOKENS, |l, with| layer(l) * if with { 0.95 } else { 1.0 });
        assert_eq!(run(&mut trials, REST, |_, _| 1.0), 32 * REST, "they pay");
    }

    #[test]
    fn a_saving_in_few_layers_counts() {
        let mut trials = PrefetchTuner::new(32);
        run(&mut trials, FIRST_REST + TOKENS, |layer, with| match (layer, with) {
            (0..3, false) => 2.0,
            (_, true) => 1.05,
            (_, false) => 1.0,
        });
        assert_eq!(run(&mut trials, 1, |_, _| 1.0), 32);
    }

    #[test]
    fn a_change_of_the_machine_is_found_and_trials_cost_little() {
        for slower in [1.01, 1.05, 1.5, 3.0, 5.0] {
            let mut trials = PrefetchTuner::new(32);
            let worse = |_: u32, with: bool| if with { slower } else { 1.0 };
            run(&mut trials, FIRST_REST, worse);
            let tokens = 20_000;
            let lost = f64::from(run(&mut trials, tokens, worse)) * (slower - 1.0);
            assert!(lost < 0.01 * 32.0 * f64::from(tokens), "{slower}: {lost} of {tokens} tokens");
            let better = |_: u32, with: bool| if with { 0.8 } else { 1.0 };
            run(&mut trials, 2 * MOST_REST, better);
            assert!(run(&mut trials, 400, better) > 32 * 400 * 9 / 10, "now they pay");
        }
    }

    #[test]
    fn a_moment_of_a_stopped_disk_and_a_failed_token_decide_nothing() {
        let mut trials = PrefetchTuner::new(32);
        run(&mut trials, FIRST_REST, |_, _| 1.0);
        // What a token that failed has left would make guesses look good.
        trials.layer_took(3, 0.001);
        trials.abandon();
        let mut stopped = false;
        run(&mut trials, TOKENS, |layer, with| match (layer, with) {
            (3, false) if !std::mem::replace(&mut stopped, true) => 90.0,
            (_, true) => 1.1,
            (_, false) => 1.0,
        });
        assert!(stopped);
        assert_eq!(run(&mut trials, 1, |_, _| 1.0), 0);
    }

    #[test]
    fn without_any_time_nothing_is_decided() {
        let mut trials = PrefetchTuner::new(32);
        (0..200).for_each(|_| trials.end_token());
        assert!(trials.guesses_pay);
    }
}
