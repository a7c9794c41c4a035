//! The fused loss against its definition, and its gradient against finite differences.

use candle_core::{Device, Tensor, Var};
use flint_predictor::train::BalancedLoss;
use proptest::prelude::*;

/// The definition, in f64.
fn definition(share: f64, logit: f64, label: bool) -> f64 {
    let (weight, x) = if label { (0.5 / share, -logit) } else { (0.5 / (1.0 - share), logit) };
    weight * (1.0 + x.exp()).ln()
}

proptest! {
    #[test]
    fn the_loss_is_its_definition_and_the_slope_its_derivative(
        share in 0.001f64..0.999, logit in -30.0f32..30.0, label: bool,
    ) {
        let (loss, slope) = BalancedLoss::new(share).at(logit, label);
        let exact = definition(share, f64::from(logit), label);
        prop_assert!((f64::from(loss) - exact).abs() <= 1e-5 * exact.abs() + 1e-9);
        let step = 1e-5;
        let (up, down) = (f64::from(logit) + step, f64::from(logit) - step);
        let finite =
            (definition(share, up, label) - definition(share, down, label)) / (2.0 * step);
        prop_assert!((f64::from(slope) - finite).abs() <= 1e-4 * finite.abs() + 1e-6);
    }
}

#[test]
fn nothing_is_nan_at_the_ends() {
    let loss = BalancedLoss::new(0.03);
    for logit in [-1e30, -1000.0, -88.0, 0.0, 88.0, 1000.0, 1e30] {
        for label in [false, true] {
            let (value, slope) = loss.at(logit, label);
            assert!(value.is_finite() && slope.is_finite(), "{logit} {label}: {value} {slope}");
        }
    }
    for share in [0.0, 1.0] {
        assert!(BalancedLoss::new(share).at(1.0, true).0.is_finite());
    }
}

#[test]
fn ones_and_zeros_weigh_the_same() {
    let labels = [1u8, 0, 0, 0];
    let loss = BalancedLoss::new(0.25);
    let ones: f32 = labels.iter().filter(|&&l| l == 1).map(|_| loss.at(0.0, true).0).sum();
    let zeros: f32 = labels.iter().filter(|&&l| l == 0).map(|_| loss.at(0.0, false).0).sum();
    assert!((ones - zeros).abs() < 1e-6);
}

#[test]
fn candle_gets_the_mean_and_its_gradient() {
    let logits: Vec<f32> = vec![-2.0, 0.5, 3.0, -0.25, 60.0, -60.0];
    let labels = [1u8, 0, 1, 0, 0, 1];
    let loss = BalancedLoss::new(0.5);
    let variable = Var::from_vec(logits.clone(), (2, 3), &Device::Cpu).unwrap();
    let targets = Tensor::from_slice(&labels, (2, 3), &Device::Cpu).unwrap();
    // Through a factor, so that the gradient that arrives from above is not one.
    let mean = (loss.apply(variable.as_tensor(), &targets).unwrap() * 3.0).unwrap();
    let gradients = mean.backward().unwrap();
    let gradient =
        gradients.get(&variable).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let each: Vec<(f32, f32)> =
        logits.iter().zip(labels).map(|(&x, l)| loss.at(x, l == 1)).collect();
    let expected: f32 = each.iter().map(|(loss, _)| loss / 2.0).sum();
    assert!((mean.to_scalar::<f32>().unwrap() - expected).abs() < 1e-4 * expected);
    for (got, (_, slope)) in gradient.iter().zip(each) {
        assert!((got - slope / 2.0).abs() < 1e-6, "{got} {slope}");
    }
}
