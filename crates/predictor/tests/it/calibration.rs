//! Thresholds: they reach their recall, cost what the curve says, and hold on other text.

use crate::synthetic::{Group, compute};
use flint_geometry::UnitSet;
use flint_predictor::train::Regression;
use flint_predictor::{
    Activity, Cascade, CascadeGroup, Curve, HalfStates, LowRankGroup, Predictor,
    QuantizedGateLayer, Score, States, ThresholdLayer, ThresholdPredictor, calibrate, evaluate,
};
use std::io;

fn fixture() -> (Group, HalfStates, Activity, LowRankGroup) {
    let group = Group::new((24, 80), 3000, 6, 0.3, 21);
    let (mut states, activity) = (group.collected(), group.activity());
    let fit = Regression::fit(&compute(), &group.deciding(), &mut states, 0..1500, 8, 1).unwrap();
    let low_rank = LowRankGroup::quantise(&fit.factors(8));
    (group, states, activity, low_rank)
}

#[test]
fn a_threshold_reaches_its_recall_and_the_next_one_does_not() {
    let (_, mut states, activity, mut group) = fixture();
    for recall in [0.5, 0.9, 0.97, 0.99, 1.0] {
        let found =
            calibrate(&compute(), &mut group, &mut states, &activity, 1500..2200, recall).unwrap();
        assert!(found.score.recall() >= recall, "{recall}: {found:?}");
        assert!(found.score.recall() < recall + 0.01, "{recall}: {found:?}");
        assert!(found.score.active > 1000 && found.tokens == 700);
    }
}

#[test]
fn the_recall_holds_on_text_that_the_threshold_was_not_chosen_on() {
    let (_, mut states, activity, mut group) = fixture();
    let here = calibrate(&compute(), &mut group, &mut states, &activity, 1500..2200, 0.97).unwrap();
    let there = evaluate(&compute(), &group, &mut states, &activity, 2200..3000).unwrap();
    assert!((there.score.recall() - 0.97).abs() < 0.02, "{there:?}");
    let (here, there) = (here.score.predicted_per_active(), there.score.predicted_per_active());
    assert!((here - there).abs() < 0.2 * here, "{here} {there}");
    assert!(here < 3.0, "low rank plus noise is predictable: {here}");
}

#[test]
fn the_curve_counts_what_the_predictor_does() {
    let (group, mut states, activity, mut low_rank) = fixture();
    let curve = Curve::measure(&compute(), &low_rank, &mut states, &activity, 2200..2400).unwrap();
    low_rank.set_threshold(curve.threshold(0.95));
    let mut x = vec![0.0; 200 * group.width];
    states.read(2200, &mut x).unwrap();
    let mut sets = vec![UnitSet::new(); 200];
    let mut predictor =
        ThresholdPredictor::new(group.width, group.neurons, vec![Some(low_rank.clone())]);
    predictor.predict(&compute(), 0, &x, &mut sets).unwrap();
    let mut score = Score::default();
    for (token, set) in (2200..).zip(&sets) {
        let active = (0..group.neurons).filter(|&n| activity.is_active(token, n));
        score.add(set, &UnitSet::from_unsorted(active.map(|n| n as u32).collect()));
    }
    assert_eq!(curve.at(low_rank.threshold()), score);
    let evaluated = evaluate(&compute(), &low_rank, &mut states, &activity, 2200..2400).unwrap();
    assert_eq!(evaluated.score, score);
    assert_eq!(curve.predicted_per_active(0.95), score.predicted_per_active());
}

#[test]
fn a_copy_with_more_bits_predicts_fewer() {
    let (group, mut states, activity, _) = fixture();
    let cost = [2, 3, 4].map(|bits| {
        let mut copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), bits);
        let found =
            calibrate(&compute(), &mut copy, &mut states, &activity, 1500..3000, 0.99).unwrap();
        found.score.predicted_per_active()
    });
    assert!(cost[0] > cost[1] && cost[1] > cost[2] && cost[2] < 1.2, "{cost:?}");
}

#[test]
fn a_cascade_finds_as_many_and_names_fewer_than_its_first_stage() {
    let (group, mut states, activity, first) = fixture();
    let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), 4);
    let mut cascade = CascadeGroup::new(first, copy);
    let found = cascade.calibrate(&compute(), &mut states, &activity, 1500..3000, 0.95).unwrap();
    let alone = evaluate(&compute(), cascade.first(), &mut states, &activity, 1500..3000).unwrap();
    assert!(found.score.recall() >= 0.95 && alone.score.recall() >= 0.95);
    assert!(found.score.predicted_per_active() < alone.score.predicted_per_active());
    assert!(found.score.predicted_per_active() < 1.1, "{:?}", found.score);
    let unseen = evaluate(&compute(), &cascade, &mut states, &activity, 0..1500).unwrap();
    assert!(unseen.score.recall() > 0.9, "{:?}", unseen.score);
    let mut sets = vec![UnitSet::new()];
    let input = vec![0.5; group.width];
    let mut first =
        ThresholdPredictor::new(group.width, group.neurons, vec![Some(cascade.first().clone())]);
    first.predict(&compute(), 0, &input, &mut sets).unwrap();
    let stored = [Some(cascade.to_bytes())];
    let mut stages = Cascade::first_stage(group.width, group.neurons, stored).unwrap();
    let mut again = vec![UnitSet::new()];
    stages.predict(&compute(), 0, &input, &mut again).unwrap();
    assert_eq!((again, stages.kind()), (sets, "low-rank"), "the first stage stands alone");
}

#[test]
fn a_group_that_is_never_active_predicts_nothing() {
    let (mut group, mut states, _, mut low_rank) = fixture();
    group.bias.fill(-1e6);
    let activity = group.activity();
    let found = calibrate(&compute(), &mut low_rank, &mut states, &activity, 0..500, 0.99).unwrap();
    assert_eq!((found.score.predicted, found.score.active), (0, 0));
    assert!(low_rank.threshold().is_finite(), "it must be storable");
    assert_eq!((found.predicted_share(), found.active_mean()), (0.0, 0.0));
    assert!(activity.hottest(0..500, 10).is_empty());
}

#[test]
fn the_hottest_neurons_come_first_and_only_the_truly_active_are_counted() {
    let (group, mut states, activity, _) = fixture();
    let hottest = activity.hottest(0..300, 10);
    let count = |n: u32| (0..300).filter(|&t| activity.is_active(t, n as usize)).count();
    assert_eq!(hottest.len(), 10);
    assert!(hottest.is_sorted_by(|&a, &b| count(a) >= count(b)));
    assert!(
        (0..group.neurons as u32).all(|n| hottest.contains(&n) || count(n) <= count(hottest[9]))
    );
    let active = (0..300 * group.neurons)
        .filter(|i| group.pre(&mut states, i / group.neurons, i % group.neurons) > 1e-5)
        .count() as u64;
    assert!(active.abs_diff(activity.count(0..300)) <= 2, "{active}");
    assert_eq!(
        activity.share(0..300),
        activity.count(0..300) as f64 / (300 * group.neurons) as f64
    );
}

/// States that cannot be read any more.
struct Lost;

impl States for Lost {
    fn width(&self) -> usize {
        24
    }

    fn tokens(&self) -> usize {
        3000
    }

    fn read(&mut self, first: usize, _: &mut [f32]) -> io::Result<()> {
        if first < 256 { Ok(()) } else { Err(io::Error::other("the disk is gone")) }
    }
}

#[test]
fn states_that_cannot_be_read_are_an_error_that_says_where() {
    let (group, _, activity, mut low_rank) = fixture();
    let error =
        calibrate(&compute(), &mut low_rank, &mut Lost, &activity, 0..3000, 0.9).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the collected states at token 256: the disk is gone"
    );
    assert!(Activity::observe(&compute(), &group.deciding(), &mut Lost).is_err());
    assert!(Regression::fit(&compute(), &group.deciding(), &mut Lost, 0..3000, 4, 0).is_err());
}
