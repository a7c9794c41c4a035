//! From the logits of a row to its next token, and how likely that was.

use super::job::{Chosen, Likely, Penalties};
use crate::form::Form;
use flint_engine::{Sampler, Sampling};

/// What stands for the logarithm of nothing: JSON has no infinity.
const IMPOSSIBLE: f32 = -3.4e38;

/// Chooses the tokens of one request.
#[derive(Debug)]
pub(super) struct Chooser {
    sampler: Sampler,
    penalties: Penalties,
    top: Option<usize>,
    form: Option<Form>,
    /// Changed logits, kept from token to token; empty where nothing changes them.
    changed: Vec<f32>,
}

/// A token that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) token: u32,
    /// Its probability, where that was asked for.
    pub(super) chosen: Option<Chosen>,
    /// Whether the answer has the form that it is held to, and nothing can follow.
    pub(super) complete: bool,
}

impl Chooser {
    pub(super) fn new(
        sampler: Sampler,
        penalties: Penalties,
        top: Option<usize>,
        form: Option<Form>,
    ) -> Chooser {
        Chooser { sampler, penalties, top, form, changed: Vec::new() }
    }

    /// A guess at the token that will be chosen after `drawn` others, from logits that are only nearly right.
    pub(super) fn guess(&mut self, logits: &[f32], drawn: usize) -> u32 {
        self.sampler.choose(logits, drawn)
    }

    /// The next token after `prompt` and `generated`; an error where the form of the answer takes too much work.
    pub(super) fn choose(
        &mut self,
        logits: &[f32],
        prompt: &[u32],
        generated: &[u32],
    ) -> Result<Choice, String> {
        let Chooser { sampler, penalties, top, form, changed } = self;
        let drawn = generated.len();
        let mut token = if *penalties == Penalties::default() && form.is_none() {
            sampler.choose(logits, drawn)
        } else {
            changed.clear();
            changed.extend_from_slice(logits);
            penalties.apply(changed, prompt, generated);
            if let Some(form) = form {
                form.constrain(changed)?;
            }
            sampler.choose(changed, drawn)
        };
        let mut complete = false;
        if let Some(form) = form {
            // Rounding may leave the last of the candidates, which need not be one of those that are allowed.
            if changed[token as usize] == f32::NEG_INFINITY {
                token = Sampler::new(Sampling::greedy()).choose(changed, drawn);
            }
            complete = form.take(token)?;
        }
        let chosen = top.map(|top| probabilities(logits, token, top));
        Ok(Choice { token, chosen, complete })
    }
}

impl Penalties {
    fn apply(&self, logits: &mut [f32], prompt: &[u32], generated: &[u32]) {
        if self.repeat != 1.0 {
            let all = prompt.len() + generated.len();
            let skipped = all.saturating_sub(self.repeat_last);
            let mut last: Vec<u32> =
                prompt.iter().chain(generated).skip(skipped).copied().collect();
            last.sort_unstable();
            last.dedup();
            for token in last {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit = if *logit > 0.0 { *logit / self.repeat } else { *logit * self.repeat };
                }
            }
        }
        if self.frequency != 0.0 || self.presence != 0.0 {
            let mut sorted = generated.to_vec();
            sorted.sort_unstable();
            for run in sorted.chunk_by(|a, b| a == b) {
                if let Some(logit) = logits.get_mut(run[0] as usize) {
                    *logit -= self.frequency * run.len() as f32 + self.presence;
                }
            }
        }
        for &(token, bias) in &self.bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit += bias;
            }
        }
    }
}

/// The logarithms of the probabilities of `token` and of the `top` likeliest.
fn probabilities(logits: &[f32], token: u32, top: usize) -> Chosen {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit) - f64::from(most))).sum();
    let normal = f64::from(most) + libm::log(sum);
    let likely = |token: u32| {
        let logprob = (f64::from(logits[token as usize]) - normal) as f32;
        Likely { token, logprob: if logprob.is_finite() { logprob } else { IMPOSSIBLE } }
    };
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let likelier =
        |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if top < order.len() {
        order.select_nth_unstable_by(top, likelier);
        order.truncate(top);
    }
    order.sort_unstable_by(likelier);
    Chosen { taken: likely(token), top: order.into_iter().map(likely).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_softmax_and_finite() {
        let logits = [0.0, 2.0f32.ln(), f32::NEG_INFINITY, 2.0f32.ln()];
        let chosen = probabilities(&logits, 2, 2);
        assert_eq!(chosen.taken, Likely { token: 2, logprob: IMPOSSIBLE });
        let top: Vec<u32> = chosen.top.iter().map(|likely| likely.token).collect();
        assert_eq!(top, [1, 3]);
        assert!((chosen.top[0].logprob - 0.4f32.ln()).abs() < 1e-6);
        assert_eq!(probabilities(&logits, 0, 20).top.len(), 4);
        assert_eq!(probabilities(&logits, 0, 0).top, []);
    }

    #[test]
    fn penalties_change_the_choice_and_not_the_probabilities() {
        let logits = [1.0, 3.0, 2.9, -1.0];
        let choose = |penalties: Penalties, prompt: &[u32], generated: &[u32]| {
            let sampler = Sampler::new(Sampling::greedy());
            let mut chooser = Chooser::new(sampler, penalties, Some(0), None);
            let choice = chooser.choose(&logits, prompt, generated).unwrap();
            assert_eq!(choice.chosen, Some(probabilities(&logits, choice.token, 0)));
            choice.token
        };
        let none = Penalties::default();
        assert_eq!(choose(none.clone(), &[1], &[1]), 1);
        assert_eq!(choose(Penalties { presence: 0.2, ..none.clone() }, &[], &[1]), 2);
        assert_eq!(choose(Penalties { presence: 0.2, ..none.clone() }, &[1], &[]), 1);
        assert_eq!(choose(Penalties { frequency: 0.06, ..none.clone() }, &[], &[1]), 1);
        assert_eq!(choose(Penalties { frequency: 0.06, ..none.clone() }, &[], &[1, 1]), 2);
        assert_eq!(choose(Penalties { repeat: 1.1, ..none.clone() }, &[1], &[]), 2);
        let far = Penalties { repeat: 1.1, repeat_last: 1, ..none.clone() };
        assert_eq!(choose(far, &[1, 0], &[]), 1);
        assert_eq!(choose(Penalties { bias: vec![(3, 9.0), (99, 1.0)], ..none }, &[], &[]), 3);
    }
}
