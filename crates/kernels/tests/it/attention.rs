//! Attention against its definition in f64 and against the contract in one piece; rows of many sequences in one
//! call, pages of every size, chunks against single rows; every path.

use crate::contract_attention::attend;
use crate::twin::{assert_close, bits, decode, dot, encode, every, numbers, scalar};
use flint_kernels::{
    AttentionSpec, Compute, DType, KvElement, KvRow, KvShape, KvStore, PagedKv, SeqId, attention,
};
use proptest::prelude::*;

pub(crate) const PAGE_TOKENS: [usize; 3] = [1, 16, 64];

/// A sequence with everything attention needs.
struct Case {
    spec: AttentionSpec<'static>,
    element: KvElement,
    tokens: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// One of the head's positions as stored.
fn stored(element: KvElement, numbers: &[f32]) -> Vec<f32> {
    match element {
        KvElement::F32 => numbers.to_vec(),
        KvElement::F16 => decode(DType::F16, &encode(DType::F16, numbers)),
    }
}

impl Case {
    fn new(spec: AttentionSpec<'static>, element: KvElement, tokens: usize, seed: u64) -> Case {
        let (width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        Case {
            spec,
            element,
            tokens,
            q: numbers(tokens * width, 3 * seed + 1).iter().map(|q| q * 3.0).collect(),
            k: numbers(tokens * kv_width, 3 * seed + 2),
            v: numbers(tokens * kv_width, 3 * seed + 3),
        }
    }

    /// A store of two layers with room for `tokens` positions.
    fn store(&self, page_tokens: usize, tokens: usize) -> PagedKv {
        let AttentionSpec { kv_heads, head_dim, .. } = self.spec;
        let shape = KvShape { layers: 2, kv_heads, head_dim, element: self.element };
        PagedKv::new(shape, page_tokens, tokens.div_ceil(page_tokens))
    }

    /// Runs the sequence in chunks of `chunk` rows, on the second of two layers.
    fn run(&self, c: &Compute, page_tokens: usize, chunk: usize) -> Vec<f32> {
        let mut store = self.store(page_tokens, self.tokens);
        let seq = store.sequence();
        let mut out = vec![f32::NAN; self.q.len()];
        for first in (0..self.tokens).step_by(chunk) {
            let end = self.tokens.min(first + chunk);
            let rows: Vec<KvRow> = (first..end).map(|position| KvRow { seq, position }).collect();
            let part =
                |x: &[f32]| x[first * x.len() / self.tokens..end * x.len() / self.tokens].to_vec();
            store.append(1, &rows, &part(&self.k), &part(&self.v)).unwrap();
            let width = self.spec.heads * self.spec.head_dim;
            let here = &mut out[first * width..end * width];
            attention(c, &self.spec, &part(&self.q), &store, 1, &rows, here);
        }
        out
    }

    /// For each query head of each token: its number, the query, and the keys and values that it sees.
    fn each(&self, mut put: impl FnMut(usize, &[f32], &[f32], &[f32])) {
        let spec = &self.spec;
        let (k, v) = (stored(self.element, &self.k), stored(self.element, &self.v));
        for (index, q) in self.q.chunks(spec.head_dim).enumerate() {
            let (token, head) = (index / spec.heads, index % spec.heads);
            let kv_head = head / (spec.heads / spec.kv_heads);
            let first = (token + 1).saturating_sub(spec.window.unwrap_or(usize::MAX));
            let seen = |x: &[f32]| -> Vec<f32> {
                let rows = x.chunks(spec.head_dim).skip(kv_head).step_by(spec.kv_heads);
                rows.take(token + 1).skip(first).flatten().copied().collect()
            };
            put(head, q, &seen(&k), &seen(&v));
        }
    }

    /// The definition, in f64.
    fn definition(&self) -> Vec<f64> {
        let (mut out, width) = (Vec::new(), self.spec.head_dim);
        self.each(|head, q, keys, values| {
            let scores = keys.chunks(width).map(|key| dot(q, key) * f64::from(self.spec.scale));
            let weights: Vec<f64> = scores.map(f64::exp).collect();
            let sink = self.spec.sinks.map_or(0.0, |sinks| f64::from(sinks[head]).exp());
            let total = weights.iter().sum::<f64>() + sink;
            out.extend((0..width).map(|d| {
                let column = values.iter().skip(d).step_by(width);
                column.zip(&weights).map(|(&v, w)| w / total * f64::from(v)).sum::<f64>()
            }));
        });
        out
    }

    /// The contract, in one piece.
    fn contract(&self) -> Vec<f32> {
        let mut out = Vec::new();
        self.each(|head, q, keys, values| {
            out.extend(attend(&self.spec, head, q, keys, values));
        });
        out
    }

    fn check(&self) {
        let want = self.contract();
        assert_close(&want, &self.definition(), 2e-6);
        for page_tokens in PAGE_TOKENS {
            for c in every() {
                let got = self.run(c, page_tokens, self.tokens);
                assert_eq!(bits(&got), bits(&want), "{c:?}, pages of {page_tokens}");
            }
            for chunk in [1, 7] {
                let got = self.run(scalar(), page_tokens, chunk);
                assert_eq!(bits(&got), bits(&want), "{chunk} at once, pages of {page_tokens}");
            }
        }
    }
}

fn spec(
    kv_heads: usize,
    ratio: usize,
    head_dim: usize,
    window: Option<usize>,
) -> AttentionSpec<'static> {
    let scale = 1.0 / (head_dim as f32).sqrt();
    let (heads, softcap, sinks) = (kv_heads * ratio, None, None);
    AttentionSpec { heads, kv_heads, head_dim, scale, softcap, window, sinks }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn attention_is_what_it_is_called(
        kv_heads in 1usize..4,
        ratio in proptest::sample::select(&[1usize, 3, 5]),
        head_dim in proptest::sample::select(&[8usize, 16, 24, 64, 80]),
        tokens in 1usize..40,
        window in proptest::option::of(1usize..20),
        element in proptest::sample::select(&[KvElement::F32, KvElement::F16]),
    ) {
        Case::new(spec(kv_heads, ratio, head_dim, window), element, tokens, 0).check();
    }
}

/// Below all scores, among them, and above all.
#[test]
fn sinks_take_their_part_of_the_softmax() {
    const SINKS: [f32; 6] = [-30.0, -1.0, 0.0, 0.5, 2.0, 40.0];
    let spec = AttentionSpec { sinks: Some(&SINKS), ..spec(2, 3, 24, Some(9)) };
    Case::new(spec, KvElement::F32, 30, 4).check();
}

#[test]
fn long_sequences_shared_between_threads_have_the_same_bits() {
    Case::new(spec(2, 3, 64, None), KvElement::F32, 150, 0).check();
}

/// Rows of eight sequences at different positions: two sequences have several rows, and the batch is long enough
/// to be shared between threads.
#[test]
fn rows_in_company_have_the_bits_of_rows_alone() {
    let spec = spec(2, 2, 64, Some(70));
    let lengths = [90, 1, 33, 64, 17, 100, 16, 5];
    let last = [20, 1, 1, 3, 1, 1, 1, 5];
    let cases: Vec<Case> = (1u64..)
        .zip(lengths)
        .map(|(seed, tokens)| Case::new(spec, KvElement::F32, tokens, seed))
        .collect();
    let want: Vec<f32> = cases
        .iter()
        .zip(last)
        .flat_map(|(case, rows)| case.contract().split_off((case.tokens - rows) * 256))
        .collect();
    for page_tokens in PAGE_TOKENS {
        let mut store = cases[0].store(page_tokens, 8 * 128);
        let mut rows = Vec::new();
        let mut q = Vec::new();
        for (case, &last) in cases.iter().zip(&last) {
            let seq = store.sequence();
            let all = place(seq, 0..case.tokens);
            store.append(1, &all, &case.k, &case.v).unwrap();
            rows.extend(place(seq, case.tokens - last..case.tokens));
            q.extend_from_slice(&case.q[(case.tokens - last) * 256..]);
        }
        for c in every() {
            let mut out = vec![f32::NAN; q.len()];
            attention(c, &spec, &q, &store, 1, &rows, &mut out);
            assert_eq!(bits(&out), bits(&want), "{c:?}, pages of {page_tokens}");
        }
    }
}

/// Some positions of one sequence.
pub(crate) fn place(seq: SeqId, positions: std::ops::Range<usize>) -> Vec<KvRow> {
    positions.map(|position| KvRow { seq, position }).collect()
}
