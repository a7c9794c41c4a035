//! Attention of one row as the contract words it, over keys and values in one piece: the oracle of what
//! walks pages.

use crate::twin::contract_dot;
use flint_kernels::{AttentionSpec, math};

/// Attention of one query head `q` over `keys` and `values`, each positions x head size, as stored.
/// `head` is the query head, whose sink counts where there are such.
pub(crate) fn attend(
    spec: &AttentionSpec<'_>,
    head: usize,
    q: &[f32],
    keys: &[f32],
    values: &[f32],
) -> Vec<f32> {
    let scores = keys.chunks(spec.head_dim).map(|key| contract_dot(q, key) * spec.scale);
    let weights = softmax(scores.collect(), spec.sinks.map(|sinks| sinks[head]));
    let mut out = vec![0.0f32; spec.head_dim];
    for (weight, value) in weights.iter().zip(values.chunks(spec.head_dim)) {
        for (out, value) in out.iter_mut().zip(value) {
            *out = weight.mul_add(*value, *out);
        }
    }
    out
}

/// Scores to probabilities: the largest, then the sum of the exponentials in sixteen lanes by halving.
fn softmax(scores: Vec<f32>, sink: Option<f32>) -> Vec<f32> {
    let largest = scores.iter().copied().chain(sink).fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| math::exp(score - largest)).collect();
    let mut lanes = [0.0f32; 16];
    for (index, weight) in weights.iter().enumerate() {
        lanes[index % 16] += weight;
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    let sum = lanes[0] + sink.map_or(0.0, |sink| math::exp(sink - largest));
    weights.iter().map(|weight| weight / sum).collect()
}
