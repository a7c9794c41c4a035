//! Finds how much of a neuron's row comes from the topic, from the token's own part and from noise, so that
//! over-prediction and loads come out as published: by halving, on what a sample of the neurons would do.

use super::normal;
use super::random::{Purpose, Random, Row};
use rand_chacha::rand_core::RngCore;

/// What a layer should do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    pub(super) over_prediction: f64,
    pub(super) recall: f64,
    /// Tokens that a neuron stays loaded after it was predicted.
    pub(super) window: usize,
    /// Share of the neurons loaded per token; `None` where nothing is predicted.
    pub(super) load: Option<f64>,
}

/// What each part of the rows of some neurons gives for each token, tokens x neurons, its deviation about one.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) topic: Vec<f32>,
    pub(super) own: Vec<f32>,
    pub(super) noise: Vec<f32>,
    /// How high a number of deviation one must be to activate each neuron, before the common shift.
    pub(super) bars: Vec<f32>,
    /// Share of all tokens and neurons that should be active.
    pub(super) activity: f64,
}

/// How much of each part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gains {
    pub(super) topic: f32,
    pub(super) own: f32,
    pub(super) noise: f32,
}

/// The result of tuning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuned {
    pub(super) gains: Gains,
    /// Added to every bar.
    pub(super) shift: f32,
}

const HALVINGS: usize = 9;
/// Noise and topic hardly depend on each other: two rounds settle both.
const ROUNDS: usize = 2;

/// Both knobs, 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Knobs {
    noise: f64,
    own: f64,
}

impl Knobs {
    fn gains(self) -> Gains {
        let low_rank = (1.0 - self.noise * self.noise).sqrt();
        let (own, topic) = libm::sincos(self.own * std::f64::consts::FRAC_PI_2);
        Gains {
            topic: (low_rank * topic) as f32,
            own: (low_rank * own) as f32,
            noise: self.noise as f32,
        }
    }
}

/// Finds the gains.
pub(super) fn tune(sample: &Sample, aim: &Aim) -> Tuned {
    let mut knobs = Knobs { noise: 0.5, own: 0.5 };
    let mut work = Work::default();
    for _ in 0..ROUNDS {
        knobs.noise = halve(|noise| {
            let found = work.observe(sample, aim, Knobs { noise, ..knobs }.gains());
            found.over_prediction < aim.over_prediction
        });
        let Some(load) = aim.load else { continue };
        knobs.own =
            halve(|own| work.observe(sample, aim, Knobs { own, ..knobs }.gains()).load < load);
    }
    let gains = knobs.gains();
    Tuned { gains, shift: work.observe(sample, aim, gains).shift }
}

/// The place between 0 and 1 where `low` turns from true to false.
fn halve(mut low: impl FnMut(f64) -> bool) -> f64 {
    let (mut a, mut b) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (a + b) / 2.0;
        if low(middle) { a = middle } else { b = middle }
    }
    (a + b) / 2.0
}

struct Observed {
    shift: f32,
    over_prediction: f64,
    load: f64,
}

/// Memory that observations share.
#[derive(Default)]
struct Work {
    margins: Vec<f32>,
    scores: Vec<f32>,
    sorted: Vec<f32>,
}

impl Work {
    fn observe(&mut self, sample: &Sample, aim: &Aim, gains: Gains) -> Observed {
        let neurons = sample.bars.len();
        self.score(sample, gains);
        let count = self.margins.len();
        let active = ((count as f64 * sample.activity).round() as usize).clamp(1, count);
        self.sorted.clone_from(&self.margins);
        let (_, &mut shift, _) = self.sorted.select_nth_unstable_by(count - active, f32::total_cmp);
        let pairs = self.margins.iter().zip(&self.scores);
        self.sorted = pairs.filter(|&(&m, _)| m >= shift).map(|(_, &score)| score).collect();
        let threshold = threshold(&mut self.sorted, aim.recall);
        let predicted = self.scores.iter().filter(|&&score| score >= threshold).count();
        Observed {
            shift,
            over_prediction: predicted as f64 / active as f64,
            load: loads(&self.scores, neurons, threshold, aim.window),
        }
    }

    /// What decides (margins, true above the shift) and what is foreseen of it (scores).
    fn score(&mut self, sample: &Sample, gains: Gains) {
        self.margins.clear();
        self.scores.clear();
        let neurons = sample.bars.len();
        let rows = sample.topic.chunks_exact(neurons).zip(sample.own.chunks_exact(neurons));
        for ((topic, own), noise) in rows.zip(sample.noise.chunks_exact(neurons)) {
            let parts = topic.iter().zip(own).zip(noise).zip(&sample.bars);
            for (((topic, own), noise), bar) in parts {
                let score = gains.topic * topic + gains.own * own - bar;
                self.scores.push(score);
                self.margins.push(score + gains.noise * noise);
            }
        }
    }
}

/// The highest score that `count` of the active ones reach.
pub(super) fn threshold(active: &mut [f32], recall: f64) -> f32 {
    let missed =
        ((active.len() as f64 * (1.0 - recall)) as usize).min(active.len().saturating_sub(1));
    if active.is_empty() {
        return f32::MAX;
    }
    *active.select_nth_unstable_by(missed, f32::total_cmp).1
}

/// Share of the neurons that is predicted at a token and was not within the window before it. The first tokens
/// fill the window and are not counted.
fn loads(scores: &[f32], neurons: usize, threshold: f32, window: usize) -> f64 {
    let mut seen = vec![usize::MAX; neurons];
    let (mut loaded, mut counted) = (0usize, 0usize);
    for (token, scores) in scores.chunks_exact(neurons).enumerate() {
        let full = token >= window;
        counted += usize::from(full);
        for (seen, &score) in seen.iter_mut().zip(scores) {
            if score >= threshold {
                let resident = *seen != usize::MAX && token - *seen <= window;
                loaded += usize::from(full && !resident);
                *seen = token;
            }
        }
    }
    loaded as f64 / (counted.max(1) * neurons) as f64
}

/// Most of the time that a neuron may be active.
const HOTTEST: f64 = 0.95;
/// The share of the neurons that `hot_share` speaks of.
const HOT: f64 = 0.26;
const HEAT_HALVINGS: usize = 30;

/// How often each neuron should be active: a power law in which the hottest 26 % have `hot_share` of all
/// activations, in random order, with `activity` as its mean.
pub(super) fn heat(
    random: &Random,
    layer: usize,
    neurons: usize,
    activity: f64,
    hot_share: f64,
) -> Vec<f64> {
    let (mut flat, mut steep) = (0.0, 2.0);
    for _ in 0..HEAT_HALVINGS {
        let middle = (flat + steep) / 2.0;
        let hot = power_law(neurons, activity, middle).take(hottest(neurons)).sum::<f64>();
        let few = hot < hot_share * activity * neurons as f64;
        if few { flat = middle } else { steep = middle }
    }
    let law = power_law(neurons, activity, (flat + steep) / 2.0);
    let mut bits = random.stream(Row { purpose: Purpose::Heat, part: layer, index: 0 });
    let mut order: Vec<(u64, f64)> = law.map(|heat| (bits.next_u64(), heat)).collect();
    order.sort_by_key(|&(key, _)| key);
    order.into_iter().map(|(_, heat)| heat).collect()
}

fn hottest(neurons: usize) -> usize {
    (neurons as f64 * HOT).round() as usize
}

/// A power law of this exponent with this mean, hottest first.
fn power_law(neurons: usize, mean: f64, exponent: f64) -> impl Iterator<Item = f64> {
    let law = move |rank: usize| libm::pow(rank as f64 / neurons as f64, -exponent);
    let law: Vec<f64> = (1..=neurons).map(law).collect();
    let capped = |scale: f64| law.iter().map(move |heat| (heat * scale).min(HOTTEST));
    let (mut low, mut high) = (0.0, mean);
    for _ in 0..HEAT_HALVINGS {
        let middle = (low + high) / 2.0;
        let few = capped(middle).sum::<f64>() < mean * neurons as f64;
        if few { low = middle } else { high = middle }
    }
    law.into_iter().map(move |heat| (heat * high).min(HOTTEST))
}

/// How high a number of deviation one must be to be so rare.
pub(super) fn bars(heat: &[f64]) -> Vec<f32> {
    heat.iter().map(|heat| normal::quantile(1.0 - heat) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_a_power_law_with_the_mean_asked_for() {
        for (neurons, activity, hot_share) in [(16384, 0.033, 0.8), (1408, 0.1, 0.7)] {
            let mut heat = heat(&Random::new(1), 0, neurons, activity, hot_share);
            let sum: f64 = heat.iter().sum();
            assert!((sum / neurons as f64 / activity - 1.0).abs() < 1e-6);
            assert!(heat[..neurons / 2].iter().sum::<f64>() < 0.7 * sum, "the order is random");
            heat.sort_by(|a, b| b.total_cmp(a));
            let hot = heat[..hottest(neurons)].iter().sum::<f64>() / sum;
            assert!((hot - hot_share).abs() < 0.001, "{hot}");
        }
    }

    #[test]
    fn loads_count_what_the_window_lost() {
        // One neuron, predicted at tokens 0, 2, 3 and 6.
        let scores = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(loads(&scores, 1, 0.5, 1), 2.0 / 6.0);
        assert_eq!(loads(&scores, 1, 0.5, 2), 1.0 / 5.0);
        assert_eq!(loads(&scores, 1, 0.5, 3), 0.0);
    }

    #[test]
    fn the_threshold_finds_the_share_asked_for() {
        let mut scores: Vec<f32> = (0..100).map(|score| score as f32).collect();
        assert_eq!(threshold(&mut scores, 0.95), 5.0);
        assert_eq!(threshold(&mut [], 0.95), f32::MAX);
    }
}
