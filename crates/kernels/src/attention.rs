//! Causal attention over the KV cache, split by head.

use crate::dot::dot_each;
use crate::element::{Element, F16, F32};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::norm::sum;
use crate::split::{Block, blocks};
use crate::weighted::add_each;
use crate::{Compute, KvCache, KvElement, math};
use std::ops::Range;

/// The shape of a layer's attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionSpec {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// What scores are multiplied with: usually one over the square root of the head size.
    pub scale: f32,
    /// A token sees itself and so many positions less one before it; `None`: all.
    pub window: Option<usize>,
}

/// Attention of consecutive tokens, the first at `first_position`, over what the cache holds of
/// `layer`, their own keys and values included.
///
/// `q` and `out` are tokens x heads x head size.
///
/// # Panics
/// When the sizes do not agree or the cache lacks a position.
pub fn attention(
    c: &Compute,
    spec: &AttentionSpec,
    q: &[f32],
    cache: &KvCache,
    layer: usize,
    first_position: usize,
    out: &mut [f32],
) {
    let width = spec.heads * spec.head_dim;
    let tokens = q.len() / width;
    assert_eq!((q.len(), out.len()), (tokens * width, tokens * width), "whole tokens of {width}");
    assert_eq!(cache.head_shape(), (spec.kv_heads, spec.head_dim), "a cache of these heads");
    assert!(spec.heads.is_multiple_of(spec.kv_heads), "heads share KV heads evenly");
    assert!(spec.window != Some(0), "a token sees at least itself");
    let end = first_position + tokens;
    assert!(end <= cache.filled(layer), "layer {layer} lacks positions up to {end}");
    let touched = 2 * tokens * end.min(spec.window.unwrap_or(end)) * cache.row_bytes() * spec.heads;
    c.share(touched, blocks(out, width, spec.head_dim), |block| {
        c.path().run(Head { spec, q, cache, layer, first_position, block });
    });
}

/// One query head of all tokens.
struct Head<'a, 'b> {
    spec: &'a AttentionSpec,
    q: &'a [f32],
    cache: &'a KvCache,
    layer: usize,
    first_position: usize,
    block: Block<'b>,
}

impl Kernel for Head<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.cache.element() {
            KvElement::F32 => self.run_on::<L, F32>(lanes),
            KvElement::F16 => self.run_on::<L, F16>(lanes),
        }
    }
}

impl Head<'_, '_> {
    #[inline(always)]
    fn run_on<L: Lanes, E: Element>(mut self, lanes: L) {
        let spec = self.spec;
        let kv_head = self.block.first / spec.head_dim / (spec.heads / spec.kv_heads);
        let keys = self.cache.keys(self.layer, kv_head);
        let values = self.cache.values(self.layer, kv_head);
        let row_bytes = self.cache.row_bytes();
        let mut scores = Vec::with_capacity(self.first_position + self.block.tokens.len());
        for (token, out) in self.block.tokens.iter_mut().enumerate() {
            let q = &self.q[token * spec.heads * spec.head_dim + self.block.first..];
            let q = &q[..spec.head_dim];
            let seen = seen(self.first_position + token, spec.window);
            let bytes = seen.start * row_bytes..seen.end * row_bytes;
            scores.clear();
            scores.resize(seen.len(), 0.0);
            score::<L, E>(lanes, q, &keys[bytes.clone()], spec.scale, &mut scores);
            softmax(&mut scores);
            out.fill(0.0);
            let values = &values[bytes];
            let value = |index: usize| (scores[index], &values[index * row_bytes..][..row_bytes]);
            add_each::<L, E>(lanes, scores.len(), value, out);
        }
    }
}

/// Positions that a token at `position` sees.
fn seen(position: usize, window: Option<usize>) -> Range<usize> {
    let end = position + 1;
    end.saturating_sub(window.unwrap_or(end))..end
}

/// The scaled dot product of `q` with every key.
#[inline(always)]
fn score<L: Lanes, E: Element>(lanes: L, q: &[f32], keys: &[u8], scale: f32, scores: &mut [f32]) {
    let row_bytes = keys.len() / scores.len();
    let key = |index: usize| &keys[index * row_bytes..][..row_bytes];
    dot_each::<L, E>(lanes, scores.len(), key, q, |index, dot| scores[index] = dot * scale);
}

/// Scores to probabilities. Maximum and sum run in the lanes of the contract.
#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let max = max(scores);
    for score in scores.iter_mut() {
        *score = math::exp(*score - max);
    }
    let sum = sum(scores, |x| x);
    for score in scores.iter_mut() {
        *score /= sum;
    }
}

#[inline(always)]
fn max(scores: &[f32]) -> f32 {
    let (chunks, rest) = scores.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max })
}
