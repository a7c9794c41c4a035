//! Causal attention over stored keys and values, split by head and row.

use crate::dot::{ROWS, dot_each};
use crate::element::{Element, F16, F32};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::norm::sum;
use crate::split::{Block, blocks};
use crate::weighted::add_each;
use crate::{Compute, KvElement, KvRow, KvRun, KvStore, SeqId, math};
use std::ops::Range;

/// The shape of a layer's attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionSpec<'a> {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// What scores are multiplied with: usually one over the square root of the head size.
    pub scale: f32,
    /// Scores are pressed into this range on both sides of zero, by tanh, where it is given.
    pub softcap: Option<f32>,
    /// Length of the sliding window, the row's own position counted; `None`: a row sees all before it.
    pub window: Option<usize>,
    /// For each query head a score that takes part in its softmax and has no value, where there are such (gpt-oss).
    pub sinks: Option<&'a [f32]>,
}

/// Attention of rows of any sequences over what the store holds of `layer`, the rows' own keys and values included.
///
/// `q` and `out` are rows x heads x head size.
///
/// # Panics
/// When the sizes do not agree or the store lacks a position.
pub fn attention(
    c: &Compute,
    spec: &AttentionSpec<'_>,
    q: &[f32],
    store: &dyn KvStore,
    layer: usize,
    rows: &[KvRow],
    out: &mut [f32],
) {
    let width = spec.heads * spec.head_dim;
    let expected = rows.len() * width;
    assert_eq!((q.len(), out.len()), (expected, expected), "rows of {width} numbers");
    let shape = store.shape();
    let heads = (shape.kv_heads, shape.head_dim);
    assert_eq!(heads, (spec.kv_heads, spec.head_dim), "a store of these heads");
    assert!(spec.heads.is_multiple_of(spec.kv_heads), "heads share KV heads evenly");
    assert!(spec.window != Some(0), "a row sees at least itself");
    assert!(spec.sinks.is_none_or(|sinks| sinks.len() == spec.heads), "one sink for each head");
    let seen: usize = rows.iter().map(|row| seen(row.position, spec.window).len()).sum();
    let touched = 2 * seen * shape.row_bytes() * spec.heads;
    c.share(touched, pieces(spec, q, rows, out), |(rows, q, block)| {
        c.path().run(Head { spec, q, store, layer, rows, block });
    });
}

/// Rows of one sequence that one thread computes one after the other: they read the same keys and values.
const TOGETHER: usize = 16;

/// The work in pieces: some rows of one sequence with their queries, and the part of the result for one head.
fn pieces<'a>(
    spec: &AttentionSpec<'_>,
    mut q: &'a [f32],
    rows: &'a [KvRow],
    mut out: &'a mut [f32],
) -> impl Iterator<Item = (&'a [KvRow], &'a [f32], Block<'a>)> + Send {
    let (width, head_dim) = (spec.heads * spec.head_dim, spec.head_dim);
    let groups = rows.chunk_by(|a, b| a.seq == b.seq).flat_map(|rows| rows.chunks(TOGETHER));
    let groups: Vec<_> = groups
        .map(|rows| {
            let (head, rest) = std::mem::take(&mut out).split_at_mut(rows.len() * width);
            let (queries, others) = q.split_at(rows.len() * width);
            (out, q) = (rest, others);
            (rows, queries, head)
        })
        .collect();
    groups.into_iter().flat_map(move |(rows, q, out)| {
        blocks(out, width, head_dim).map(move |block| (rows, q, block))
    })
}

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// One query head of some rows of one sequence.
struct Head<'a, 'b> {
    spec: &'a AttentionSpec<'a>,
    /// Queries of all heads.
    q: &'a [f32],
    store: &'a dyn KvStore,
    layer: usize,
    rows: &'a [KvRow],
    block: Block<'b>,
}

impl Kernel for Head<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.store.shape().element {
            KvElement::F32 => self.run_on::<L, F32>(lanes),
            KvElement::F16 => self.run_on::<L, F16>(lanes),
        }
    }
}

impl Head<'_, '_> {
    #[inline(always)]
    fn run_on<L: Lanes, E: Element>(self, lanes: L) {
        let Head { spec, q, store, layer, rows, block } = self;
        let head = block.first / spec.head_dim / (spec.heads / spec.kv_heads);
        let row_bytes = store.shape().row_bytes();
        let mut scores = Vec::new();
        for (index, (row, out)) in rows.iter().zip(block.tokens).enumerate() {
            let q = &q[index * spec.heads * spec.head_dim + block.first..][..spec.head_dim];
            let seen = seen(row.position, spec.window);
            let runs = || Runs { store, layer, head, seq: row.seq, left: seen.clone() };
            scores.clear();
            scores.resize(seen.len(), 0.0);
            let mut rest = scores.as_mut_slice();
            let mut pieces = runs().peekable();
            while let Some(KvRun { keys, .. }) = pieces.next() {
                prefetch(lanes, pieces.peek().map(|next| next.keys), row_bytes);
                let (here, after) = rest.split_at_mut(keys.len() / row_bytes);
                let key = |index: usize| &keys[index * row_bytes..][..row_bytes];
                dot_each::<L, E>(lanes, here.len(), key, q, |index, dot| {
                    here[index] = dot * spec.scale;
                });
                rest = after;
            }
            if let Some(cap) = spec.softcap {
                math::soft_cap(&mut scores, cap);
            }
            softmax(&mut scores, spec.sinks.map(|sinks| sinks[block.first / spec.head_dim]));
            out.fill(0.0);
            let mut rest = scores.as_slice();
            let mut pieces = runs().peekable();
            while let Some(KvRun { values, .. }) = pieces.next() {
                prefetch(lanes, pieces.peek().map(|next| next.values), row_bytes);
                let (here, after) = rest.split_at(values.len() / row_bytes);
                let value = |index: usize| (here[index], &values[index * row_bytes..][..row_bytes]);
                add_each::<L, E>(lanes, here.len(), value, out);
                rest = after;
            }
        }
    }
}

/// Asks for the rows that are computed first of the next piece: inside a piece each row is asked for by those before.
#[inline(always)]
fn prefetch<L: Lanes>(lanes: L, next: Option<&[u8]>, row_bytes: usize) {
    let Some(next) = next else { return };
    for line in next[..next.len().min(ROWS * row_bytes)].chunks(LINE_BYTES) {
        lanes.prefetch(line.as_ptr());
    }
}

/// Keys and values of some positions in the pieces that they lie in.
struct Runs<'a> {
    store: &'a dyn KvStore,
    layer: usize,
    head: usize,
    seq: SeqId,
    left: Range<usize>,
}

impl<'a> Iterator for Runs<'a> {
    type Item = KvRun<'a>;

    fn next(&mut self) -> Option<KvRun<'a>> {
        if self.left.is_empty() {
            return None;
        }
        let row = KvRow { seq: self.seq, position: self.left.start };
        let run = self.store.run(self.layer, self.head, row);
        let row_bytes = self.store.shape().row_bytes();
        let count = self.left.len().min(run.keys.len() / row_bytes);
        self.left.start += count;
        let bytes = count * row_bytes;
        Some(KvRun { keys: &run.keys[..bytes], values: &run.values[..bytes] })
    }
}

/// Positions that a row at `position` sees.
fn seen(position: usize, window: Option<usize>) -> Range<usize> {
    let end = position + 1;
    end.saturating_sub(window.unwrap_or(end))..end
}

/// Scores to probabilities. Maximum and sum run in the lanes of the contract; a sink comes last.
#[inline(always)]
fn softmax(scores: &mut [f32], sink: Option<f32>) {
    let max = max(scores);
    let max = sink.map_or(max, |sink| if sink > max { sink } else { max });
    for score in scores.iter_mut() {
        *score = math::exp(*score - max);
    }
    let sum = sum(scores, |x| x) + sink.map_or(0.0, |sink| math::exp(sink - max));
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
