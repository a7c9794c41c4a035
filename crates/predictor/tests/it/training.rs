//! Training: it helps, it repeats, and it never gives back less than it was given.

use crate::synthetic::{Group, compute};
use flint_predictor::train::{Epoch, FineTuning, Regression, Trained, fine_tune};
use std::ops::ControlFlow;

fn train(
    group: &Group,
    how: &FineTuning,
    progress: &mut dyn FnMut(Epoch) -> ControlFlow<()>,
) -> Trained {
    let (compute, mut states, activity) = (compute(), group.collected(), group.activity());
    let regression =
        Regression::fit(&compute, &group.deciding(), &mut states, 0..800, 4, 1).unwrap();
    let start = regression.factors(4);
    fine_tune(&compute, &start, &mut states, &activity, 0..800, 800..1000, how, progress).unwrap()
}

fn group() -> Group {
    Group::new((24, 64), 1000, 8, 0.3, 3)
}

const GO: fn(Epoch) -> ControlFlow<()> = |_| ControlFlow::Continue(());

#[test]
fn training_beats_the_regression_where_the_rank_is_short() {
    let how = FineTuning { epochs: 12, batch: 64, recall: 0.95, ..FineTuning::default() };
    let trained = train(&group(), &how, &mut { GO });
    let start = trained.epochs[0];
    let best = trained.epochs.iter().map(|e| e.predicted_per_active).fold(f64::MAX, f64::min);
    assert_eq!((start.epoch, start.loss), (0, None));
    assert!(best < 0.97 * start.predicted_per_active, "{:?}", trained.epochs);
    let losses: Vec<f64> = trained.epochs.iter().filter_map(|epoch| epoch.loss).collect();
    assert!(losses.last() < losses.first() && losses.iter().all(|loss| loss.is_finite()));
}

#[test]
fn the_same_seed_gives_the_same_factors_and_another_others() {
    let how = FineTuning { epochs: 2, batch: 64, recall: 0.95, ..FineTuning::default() };
    let (one, two) = (train(&group(), &how, &mut { GO }), train(&group(), &how, &mut { GO }));
    assert_eq!((&one.factors, &one.epochs), (&two.factors, &two.epochs));
    let other = train(&group(), &FineTuning { seed: 9, ..how }, &mut { GO });
    assert_ne!(one.epochs[1].loss, other.epochs[1].loss);
}

#[test]
fn steps_far_too_large_lose_nothing() {
    let how = FineTuning { epochs: 3, batch: 64, rate: 50.0, patience: 9, ..FineTuning::default() };
    let trained = train(&group(), &how, &mut { GO });
    let mut states = group().collected();
    let start =
        Regression::fit(&compute(), &group().deciding(), &mut states, 0..800, 4, 1).unwrap();
    assert_eq!(trained.epochs.len(), 4);
    assert_eq!(trained.factors, start.factors(4), "{:?}", trained.epochs);
}

#[test]
fn training_stops_when_told_and_when_nothing_is_gained() {
    let mut heard = Vec::new();
    let how = FineTuning { epochs: 5, batch: 64, rate: 50.0, patience: 1, ..FineTuning::default() };
    let trained = train(&group(), &how, &mut |epoch| {
        heard.push(epoch);
        GO(epoch)
    });
    assert_eq!(heard, trained.epochs);
    assert_eq!(heard.len(), 2, "the start and one pass without gain");
    let trained = train(&group(), &how, &mut |_| ControlFlow::Break(()));
    assert_eq!(trained.epochs.len(), 1);
}

#[test]
fn a_group_that_never_fires_can_be_trained() {
    let mut silent = group();
    silent.bias.fill(-1e4);
    let how = FineTuning { epochs: 1, batch: 64, ..FineTuning::default() };
    let trained = train(&silent, &how, &mut { GO });
    assert!(trained.factors.bias().iter().copied().all(f32::is_finite));
}
