//! Attention against its definition in f64; chunks against single tokens; every path.

use crate::twin::{assert_close, bits, decode, dot, encode, every, numbers, scalar};
use flint_kernels::{AttentionSpec, Compute, DType, KvCache, KvElement, attention};
use proptest::prelude::*;

/// A sequence of tokens with everything attention needs.
struct Case {
    spec: AttentionSpec,
    element: KvElement,
    tokens: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Case {
    fn new(spec: AttentionSpec, element: KvElement, tokens: usize) -> Case {
        let (width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        Case {
            spec,
            element,
            tokens,
            q: numbers(tokens * width, 1).iter().map(|q| q * 3.0).collect(),
            k: numbers(tokens * kv_width, 2),
            v: numbers(tokens * kv_width, 3),
        }
    }

    /// Runs the sequence in chunks of `chunk` tokens, on the second of two layers.
    fn run(&self, c: &Compute, chunk: usize) -> Vec<f32> {
        let spec = &self.spec;
        let (width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let context = self.tokens + 3;
        let mut cache =
            KvCache::new(2, context, spec.kv_heads, spec.head_dim, self.element).unwrap();
        let mut out = vec![f32::NAN; self.q.len()];
        for first in (0..self.tokens).step_by(chunk) {
            let end = self.tokens.min(first + chunk);
            let kv = first * kv_width..end * kv_width;
            cache.append(1, &self.k[kv.clone()], &self.v[kv], first);
            let here = first * width..end * width;
            attention(c, spec, &self.q[here.clone()], &cache, 1, first, &mut out[here]);
        }
        out
    }

    fn twin(&self) -> Vec<f64> {
        let spec = &self.spec;
        let stored = |numbers: &[f32]| match self.element {
            KvElement::F32 => numbers.to_vec(),
            KvElement::F16 => decode(DType::F16, &encode(DType::F16, numbers)),
        };
        let (k, v) = (stored(&self.k), stored(&self.v));
        let mut out = Vec::new();
        for (index, q) in self.q.chunks(spec.head_dim).enumerate() {
            let (token, head) = (index / spec.heads, index % spec.heads);
            let kv_head = head / (spec.heads / spec.kv_heads);
            let first = (token + 1).saturating_sub(spec.window.unwrap_or(usize::MAX));
            let at = |j: usize| (j * spec.kv_heads + kv_head) * spec.head_dim;
            let weights: Vec<f64> = (first..=token)
                .map(|j| dot(q, &k[at(j)..][..spec.head_dim]) * f64::from(spec.scale))
                .map(f64::exp)
                .collect();
            let total: f64 = weights.iter().sum();
            out.extend((0..spec.head_dim).map(|d| {
                let value = |j: usize| f64::from(v[at(j) + d]);
                (first..=token).zip(&weights).map(|(j, w)| w / total * value(j)).sum::<f64>()
            }));
        }
        out
    }

    fn check(&self) {
        let want = self.run(scalar(), self.tokens);
        assert_close(&want, &self.twin(), 2e-6);
        for c in every() {
            assert_eq!(bits(&self.run(c, self.tokens)), bits(&want), "{c:?}");
            assert_eq!(bits(&self.run(c, 1)), bits(&want), "{c:?}, token by token");
        }
        assert_eq!(bits(&self.run(scalar(), 7)), bits(&want), "in chunks of 7");
    }
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
        let scale = 1.0 / (head_dim as f32).sqrt();
        let spec = AttentionSpec { heads: kv_heads * ratio, kv_heads, head_dim, scale, window };
        Case::new(spec, element, tokens).check();
    }
}

#[test]
fn long_sequences_shared_between_threads_have_the_same_bits() {
    let spec = AttentionSpec { heads: 6, kv_heads: 2, head_dim: 64, scale: 0.125, window: None };
    let case = Case::new(spec, KvElement::F32, 150);
    let want = case.run(scalar(), 64);
    assert_close(&want, &case.twin(), 2e-6);
    for c in every() {
        assert_eq!(bits(&case.run(c, 64)), bits(&want), "{c:?}");
    }
}

#[test]
fn appending_again_drops_what_followed() {
    let mut cache = KvCache::new(2, 8, 1, 4, KvElement::F32).unwrap();
    assert!(cache.is_empty());
    for layer in [0, 1] {
        cache.append(layer, &[1.0; 20], &[1.0; 20], 0);
    }
    assert_eq!(cache.len(), 5);
    cache.append(0, &[2.0; 4], &[2.0; 4], 2);
    assert_eq!(cache.len(), 3);
    assert_eq!(cache.bytes(), KvCache::bytes_for(2, 8, 1, 4, KvElement::F32));
    assert_eq!(cache.bytes(), 2 * 8 * 4 * 4 * 2);
}

#[test]
fn a_cache_past_the_address_space_is_refused() {
    let refused = KvCache::new(usize::MAX, usize::MAX, 2, 2, KvElement::F16);
    assert!(refused.unwrap_err().to_string().contains("shorter context"));
}

#[test]
#[should_panic(expected = "positions before 3 missing")]
fn positions_cannot_be_left_out() {
    let mut cache = KvCache::new(1, 8, 1, 4, KvElement::F32).unwrap();
    cache.append(0, &[0.0; 4], &[0.0; 4], 3);
}
