//! Layer norm and RMS norm, row by row; sums run in the lanes of the contract.

use crate::Compute;
use crate::lanes::{Kernel, LANES, Lanes, sum_by_halving};

/// Normalises each row of `x` to mean 0 and variance 1, then scales by `weight` and adds `bias`.
///
/// `x` and `out` are tokens x `width`; `weight` and `bias` have `width` numbers each.
///
/// # Panics
/// When the sizes do not agree.
pub fn layer_norm(
    c: &Compute,
    x: &[f32],
    width: usize,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    check(x, width, weight, out);
    assert!(bias.is_none_or(|bias| bias.len() == width), "layer_norm takes one bias per column");
    for (x, out) in x.chunks(width).zip(out.chunks_mut(width)) {
        c.path().run(LayerNorm { x, weight, bias, eps, out });
    }
}

/// Divides each row of `x` by its root mean square, then scales by `weight`.
///
/// `x` and `out` are tokens x `weight.len()`.
///
/// # Panics
/// When the sizes do not agree.
pub fn rms_norm(c: &Compute, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    check(x, weight.len(), None, out);
    for (x, out) in x.chunks(weight.len()).zip(out.chunks_mut(weight.len())) {
        c.path().run(RmsNorm { x, weight, eps, out });
    }
}

fn check(x: &[f32], width: usize, weight: Option<&[f32]>, out: &[f32]) {
    assert!(width > 0 && x.len().is_multiple_of(width), "a norm takes whole rows of {width}");
    assert_eq!(x.len(), out.len(), "a norm writes as much as it reads");
    assert!(weight.is_none_or(|weight| weight.len() == width), "one weight per column");
}

struct LayerNorm<'a> {
    x: &'a [f32],
    weight: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _lanes: L) {
        let width = self.x.len() as f32;
        let mean = sum(self.x, |x| x) / width;
        let variance = sum(self.x, |x| (x - mean) * (x - mean)) / width;
        let scale = 1.0 / (variance + self.eps).sqrt();
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = (x - mean) * scale;
        }
        for (out, weight) in self.out.iter_mut().zip(self.weight.into_iter().flatten()) {
            *out *= weight;
        }
        for (out, bias) in self.out.iter_mut().zip(self.bias.into_iter().flatten()) {
            *out += bias;
        }
    }
}

struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _lanes: L) {
        let mean_square = sum(self.x, |x| x * x) / self.x.len() as f32;
        let scale = 1.0 / (mean_square + self.eps).sqrt();
        for ((out, x), weight) in self.out.iter_mut().zip(self.x).zip(self.weight) {
            *out = x * scale * weight;
        }
    }
}

/// The sum of `f` over `x` in sixteen lanes.
#[inline(always)]
pub(crate) fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += f(chunk[i]);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += f(*x);
    }
    sum_by_halving(lanes)
}
