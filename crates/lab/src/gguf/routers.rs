//! Routers that behave as those of trained models do: some experts are liked whatever the token is, others are chosen by it.
//!
//! The output of a router for an expert is a constant of the expert plus what the token adds; both are normal, the constant
//! `SKEW` times as wide: what that gives beside replays of a published model is in docs/results/trace-qwen3-30b-a3b.md.
//! Where the family has a bias on its router, the constants stand there. Elsewhere all embeddings have a mean, which is a direction
//! that every hidden state shares, and the constants stand in the routers' rows along it. What layers add is small, or it would
//! soon be the larger part: much of it is the same for all tokens, as what they share goes through the same weights, and then
//! routers name the same experts for ever (0.2 of 384 were read per token with places for a tenth of them).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

/// Width of an expert's constant beside that of what tokens add.
const SKEW: f64 = 1.3;

/// Root mean square of what tokens add to a router's output.
const SPREAD: f64 = 1.0;

/// Mean of the embeddings in units of their spread.
pub(super) const EMBEDDING_MEAN: f64 = 2.0;

/// The part of a normed hidden state that lies along the mean: 2 / sqrt(2 * 2 + 1).
const SHARED: f64 = 0.894;

/// Spread of the embeddings: what layers read is normed, so what they add is small beside this alone.
pub(super) const EMBEDDED: f64 = 1.0;

/// What is added to hidden states is multiplied by this.
pub(super) const ADDED: f64 = 0.05;

/// A row of a router: what an expert likes.
pub(super) fn row(random: &mut ChaCha8Rng, columns: usize, has_bias: bool) -> Vec<f32> {
    let constant = if has_bias { 0.0 } else { SKEW * SPREAD * normal(random) / SHARED };
    let own = (1.0 - SHARED * SHARED).sqrt();
    let width = SPREAD / (columns as f64).sqrt() / if has_bias { 1.0 } else { own };
    let each = (0..columns).map(|_| normal(random) * width);
    let numbers: Vec<f64> = each.collect();
    // The constant is all that lies along the mean.
    let mean = numbers.iter().sum::<f64>() / columns as f64;
    let along = constant / columns as f64;
    numbers.into_iter().map(|number| (number - mean + along) as f32).collect()
}

/// The bias of a router: a constant for each expert.
pub(super) fn bias(random: &mut ChaCha8Rng, experts: usize) -> Vec<f32> {
    (0..experts).map(|_| (SKEW * SPREAD * normal(random)) as f32).collect()
}

/// A normal number, by the method of Box and Muller; the logarithm and the cosine are those of every machine.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let mut uniform = || (f64::from(random.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0);
    let (radius, angle) = ((-2.0 * libm::log(uniform())).sqrt(), std::f64::consts::TAU * uniform());
    radius * libm::cos(angle)
}
