//! From logits to a token: greedy, or drawn from what the filters leave.

use flint_kernels::math;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; larger is wilder.
    pub temperature: f32,
    /// Keep only this many of the likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keep the likeliest until their probabilities reach this; 1 keeps all.
    pub top_p: f32,
    /// Keep those at least this likely relative to the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Sampling {
    /// The likeliest token, always.
    pub fn greedy() -> Sampling {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 0 }
    }
}

/// Draws tokens; the same seed and logits give the same tokens.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    /// Kept from token to token: a vocabulary's worth.
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler of the random numbers of a seed.
    pub fn new(sampling: Sampling) -> Sampler {
        Sampler {
            sampling,
            random: ChaCha8Rng::seed_from_u64(sampling.seed),
            candidates: Vec::new(),
        }
    }

    /// Chooses a token. `drawn` is how many were chosen before it in this request: it says which random number decides,
    /// so that whatever else was computed in between changes nothing.
    ///
    /// # Panics
    /// When `logits` is empty.
    pub fn choose(&mut self, logits: &[f32], drawn: usize) -> u32 {
        if self.sampling.temperature <= 0.0 {
            return greedy(logits);
        }
        self.find_candidates(logits);
        let candidates = &self.candidates;
        let total: f32 = candidates.iter().map(|c| c.weight).sum();
        self.random.set_word_pos(drawn as u128);
        // 24 random bits fill a f32 evenly in [0, 1).
        let mut left = (self.random.next_u32() >> 8) as f32 / (1u32 << 24) as f32 * total;
        for candidate in candidates {
            left -= candidate.weight;
            if left < 0.0 {
                return candidate.token;
            }
        }
        candidates.last().map_or_else(|| greedy(logits), |last| last.token)
    }

    /// Those that the filters leave, likeliest first; ties by token, so that the order is fixed.
    fn find_candidates(&mut self, logits: &[f32]) {
        let Sampler { sampling, candidates, .. } = self;
        let top = logits[greedy(logits) as usize];
        candidates.clear();
        let weighed = (0u32..).zip(logits).map(|(token, &logit)| {
            let weight = math::exp((logit - top) / sampling.temperature);
            Candidate { token, weight: if weight.is_finite() { weight } else { 0.0 } }
        });
        candidates.extend(weighed.filter(|candidate| candidate.weight >= sampling.min_p));
        let likelier = |a: &Candidate, b: &Candidate| {
            b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token))
        };
        if (1..candidates.len()).contains(&sampling.top_k) {
            candidates.select_nth_unstable_by(sampling.top_k - 1, likelier);
            candidates.truncate(sampling.top_k);
        }
        candidates.sort_unstable_by(likelier);
        if sampling.top_p < 1.0 {
            let total: f32 = candidates.iter().map(|c| c.weight).sum();
            let mut reached = 0.0;
            let enough = candidates.iter().position(|c| {
                reached += c.weight;
                reached >= sampling.top_p * total
            });
            candidates.truncate(enough.map_or(candidates.len(), |last| last + 1));
        }
    }
}

#[derive(Debug)]
struct Candidate {
    token: u32,
    /// Probability relative to the likeliest token.
    weight: f32,
}

/// The first of the largest; a NaN is never chosen unless all are.
fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, &logit) in logits.iter().enumerate() {
        if logit > logits[best] || logits[best].is_nan() {
            best = token;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [0.0, 3.0, 2.0, 3.0, -1.0];

    fn drawn(sampling: Sampling) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling);
        let mut tokens: Vec<u32> = (0..500).map(|drawn| sampler.choose(&LOGITS, drawn)).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        assert_eq!(Sampler::new(Sampling::greedy()).choose(&LOGITS, 0), 1);
        assert_eq!(greedy(&[f32::NAN, -2.0]), 1);
    }

    #[test]
    fn filters_keep_what_they_say() {
        let wild = Sampling { temperature: 5.0, ..Sampling::greedy() };
        assert_eq!(drawn(wild), [0, 1, 2, 3, 4]);
        assert_eq!(drawn(Sampling { top_k: 3, ..wild }), [1, 2, 3]);
        assert_eq!(drawn(Sampling { top_p: 0.2, ..wild }), [1]);
        assert_eq!(drawn(Sampling { min_p: 0.999, ..wild }), [1, 3]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let sampling = Sampling { temperature: 1.0, seed: 7, ..Sampling::greedy() };
        let draw = || {
            let mut sampler = Sampler::new(sampling);
            (0..50).map(|drawn| sampler.choose(&LOGITS, drawn)).collect::<Vec<u32>>()
        };
        let texts = draw();
        assert_eq!(texts, draw());
        // A number is known by its place alone, whatever was drawn before it.
        let mut sampler = Sampler::new(sampling);
        for drawn in (0..50).rev() {
            assert_eq!(sampler.choose(&LOGITS, drawn), texts[drawn]);
        }
        // And is the number that the generator gives in turn.
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut candidates = Sampler::new(sampling);
        candidates.find_candidates(&LOGITS);
        let total: f32 = candidates.candidates.iter().map(|c| c.weight).sum();
        for token in texts {
            let mut left = (random.next_u32() >> 8) as f32 / (1u32 << 24) as f32 * total;
            let drawn = candidates.candidates.iter().find(|c| {
                left -= c.weight;
                left < 0.0
            });
            assert_eq!(drawn.map(|c| c.token), Some(token));
        }
    }
}
