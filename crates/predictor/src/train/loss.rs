//! Balanced binary cross entropy on logits, fused: finite for every logit, in one pass each way.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use flint_kernels::ops;

/// Slopes below this share of their weight are zero: they teach nothing, and their products would be denormal
/// numbers.
const FLAT: f32 = 1e-8;

/// The mean over all labels of `weight x softplus(-logit)` where the label is 1 and
/// `weight x softplus(logit)` where it is 0.
///
/// The weights make all ones together count as much as all zeros together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalancedLoss {
    one: f32,
    zero: f32,
}

impl BalancedLoss {
    /// For labels of which this share, 0 to 1, is 1.
    pub fn new(share: f64) -> BalancedLoss {
        // A group without ones (or zeros) has nothing to balance; the bound keeps its weight finite.
        let share = share.clamp(1e-6, 1.0 - 1e-6);
        BalancedLoss { one: (0.5 / share) as f32, zero: (0.5 / (1.0 - share)) as f32 }
    }

    /// The loss of `logits` for `labels`, tensors of one shape, f32 and u8 (0 or 1); a scalar.
    ///
    /// # Errors
    /// When they are not such contiguous tensors on the CPU.
    pub fn apply(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        logits.apply_op2(labels, *self)
    }

    /// The loss of one logit, and its derivative.
    pub fn at(&self, logit: f32, label: bool) -> (f32, f32) {
        // softplus(x) = max(x, 0) + ln(1 + e^-|x|); its derivative is the sigmoid.
        let (weight, x) = if label { (self.one, -logit) } else { (self.zero, logit) };
        let small = (-x.abs()).exp();
        let sigmoid = if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
        let steep = if sigmoid < FLAT { 0.0 } else { sigmoid };
        let slope = if label { -steep } else { steep };
        (weight * (x.max(0.0) + small.ln_1p()), weight * slope)
    }
}

impl CustomOp2 for BalancedLoss {
    fn name(&self) -> &'static str {
        "flint-balanced-loss"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        labels: &CpuStorage,
        labels_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (Some((first, last)), Some((from, to))) =
            (logits_layout.contiguous_offsets(), labels_layout.contiguous_offsets())
        else {
            bail!("{}: the tensors are not contiguous", self.name())
        };
        let logits = &logits.as_slice::<f32>()?[first..last];
        let labels = &labels.as_slice::<u8>()?[from..to];
        if logits.len() != labels.len() {
            bail!("{}: {} logits for {} labels", self.name(), logits.len(), labels.len());
        }
        let loss = |(&logit, &label): (&f32, &u8)| f64::from(self.at(logit, label != 0).0);
        let sum: f64 = logits.iter().zip(labels).map(loss).sum();
        let mean = (sum / logits.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        _: &Tensor,
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let share = upstream.to_scalar::<f32>()? / logits.elem_count() as f32;
        let labels = labels.flatten_all()?.to_vec1::<u8>()?;
        let slopes = ops::with_slice(logits, |logits| {
            let slope = |(&logit, &label): (&f32, &u8)| share * self.at(logit, label != 0).1;
            logits.iter().zip(&labels).map(slope).collect()
        })?;
        Ok((Some(ops::from_vec(slopes, logits.shape())?), None))
    }
}
