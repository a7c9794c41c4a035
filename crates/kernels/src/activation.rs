//! The non-linearities of feed-forward layers, elementwise, with the same bits on every path.

use crate::lanes::{Kernel, Lanes};
use crate::{Compute, math};

/// A function applied to each number on its own.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)` squared.
    SquaredRelu,
    /// `x` where it is above the threshold, else zero.
    FatRelu(f32),
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// The approximation of `Gelu` with tanh.
    GeluTanh,
    /// `x / (1 + exp(-1.702 x))` with `x` at most 7, times `up + 1` with `up` between -7 and 7 (gpt-oss).
    ClampedSwiglu,
}

/// Limit and steepness of [`Activation::ClampedSwiglu`].
const CLAMP: f32 = 7.0;
const STEEPNESS: f32 = 1.702;

impl Activation {
    /// Whether it gives exact zeros, so that work behind a zero may be left out.
    pub fn is_sparse(self) -> bool {
        matches!(self, Activation::Relu | Activation::SquaredRelu | Activation::FatRelu(_))
    }

    /// Applies it to every number of `values`.
    pub fn apply_slice(self, c: &Compute, values: &mut [f32]) {
        c.path().run(Apply { activation: self, values });
    }

    /// Applies it to every number of `gates`, and multiplies each by that of `up`.
    ///
    /// # Panics
    /// When there are not as many of both.
    pub fn gate_slice(self, c: &Compute, gates: &mut [f32], up: &[f32]) {
        assert_eq!(gates.len(), up.len(), "as many gates as numbers that pass them");
        self.apply_slice(c, gates);
        for (gate, &up) in gates.iter_mut().zip(up) {
            *gate = match self {
                Activation::ClampedSwiglu => *gate * (up.clamp(-CLAMP, CLAMP) + 1.0),
                // A zero stays a positive zero, whatever `up` is.
                _ if *gate == 0.0 => 0.0,
                _ => *gate * up,
            };
        }
    }

    /// Applies it to every number of `values`, inside a kernel.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32]) {
        match self {
            Activation::Relu => each(values, |x| above(x, 0.0)),
            Activation::SquaredRelu => each(values, |x| above(x, 0.0) * above(x, 0.0)),
            Activation::FatRelu(threshold) => each(values, |x| above(x, threshold)),
            Activation::Silu => each(values, |x| x / (1.0 + math::exp(-x))),
            Activation::Gelu => each(values, gelu),
            Activation::GeluTanh => each(values, gelu_tanh),
            Activation::ClampedSwiglu => each(values, |x| {
                let x = if x > CLAMP { CLAMP } else { x };
                x / (1.0 + math::exp(-STEEPNESS * x))
            }),
        }
    }
}

/// Applies an activation to a slice.
struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _lanes: L) {
        self.activation.apply(self.values);
    }
}

#[inline(always)]
fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in values {
        *value = f(*value);
    }
}

/// `x` above the threshold, else positive zero.
#[inline(always)]
fn above(x: f32, threshold: f32) -> f32 {
    if x > threshold { x } else { 0.0 }
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + math::erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    /// sqrt(2 / pi).
    const SCALE: f32 = 0.797_884_6;
    let cubic = (0.044_715 * x * x).mul_add(x, x);
    0.5 * x * (1.0 + math::tanh(SCALE * cubic))
}
