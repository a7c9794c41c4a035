//! Predictions against a naive twin in f64, and the promise that their bits depend on nothing else.

use crate::synthetic::{Group, Numbers, compute};
use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::Factors;
use flint_predictor::{
    Activity, AllNeurons, CascadeGroup, Curve, GateRows, HalfStates, LowRank, LowRankGroup,
    Predictor, PredictorError, QuantizedGate, QuantizedGateLayer, States, ThresholdLayer,
    ThresholdPredictor,
};
use proptest::prelude::*;

fn factors((width, neurons): (usize, usize), rank: usize, seed: u64) -> Factors {
    let mut numbers = Numbers::new(seed);
    Factors::new(
        rank,
        numbers.take(rank * width),
        numbers.take(neurons * rank),
        numbers.take(neurons),
    )
}

fn dot(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * b).sum()
}

fn scores<G: ThresholdLayer>(group: &G, compute: &Compute, input: &[f32]) -> Vec<f32> {
    let mut scores = vec![0.0; input.len() / group.width() * group.neurons()];
    group.scores(compute, input, &mut scores);
    scores
}

/// The scores one position at a time, by the slowest path.
fn one_by_one<G: ThresholdLayer>(group: &G, input: &[f32]) -> Vec<Vec<f32>> {
    let slow = Compute::new(Isa::Scalar, 1).unwrap();
    input.chunks(group.width()).map(|x| scores(group, &slow, x)).collect()
}

/// Bit n of `asked` is whether neuron n is asked about: others must have no score, so nothing was done for them.
fn only_those_asked<G: ThresholdLayer>(group: &G, x: &[f32], asked: u64) {
    let mut some = vec![0.0; group.neurons()];
    group.scores_among(&compute(), x, &|neuron| asked >> neuron & 1 == 1, &mut some);
    for (neuron, (some, all)) in some.iter().zip(scores(group, &compute(), x)).enumerate() {
        let expected = if asked >> neuron & 1 == 1 { all } else { f32::NEG_INFINITY };
        assert_eq!(some.to_bits(), expected.to_bits(), "{neuron}");
    }
}

fn same_sets(mut predictor: impl Predictor, x: &[f32], asked: u64) {
    let asked = |neuron: u32| asked >> neuron & 1 == 1;
    for group in 0..2 {
        let mut all = [UnitSet::new()];
        predictor.predict(&compute(), group, x, &mut all).unwrap();
        let (mut some, [mut expected]) = (UnitSet::full(3), all);
        predictor.predict_among(&compute(), group, x, &asked, &mut some).unwrap();
        expected.retain(asked);
        assert_eq!(some, expected);
    }
}

fn same_bits_everywhere<G: ThresholdLayer>(group: &G, input: &[f32]) {
    let expected = one_by_one(group, input);
    for isa in Isa::available() {
        for threads in [1, 2, 3, 7] {
            let got = scores(group, &Compute::new(isa, threads).unwrap(), input);
            for (position, expected) in expected.iter().enumerate() {
                for (neuron, expected) in expected.iter().enumerate() {
                    let got = got[neuron * (input.len() / group.width()) + position];
                    assert_eq!(got.to_bits(), expected.to_bits(), "{isa} {threads} {neuron}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_asked_about_alone_is_scored_as_among_all(
        bits in 2usize..=4, seed: u64, asked in any::<u64>(),
    ) {
        let (width, neurons, tokens) = (128, 60, 40);
        let group = Group::new((width, neurons), tokens, 3, 0.1, seed);
        let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), bits);
        let first = LowRankGroup::quantise(&factors((width, neurons), 5, seed));
        let (cascade, _) = cascade(first.clone(), copy.clone(), &group, &group.states);
        let x = &group.states[..width];
        only_those_asked(&copy, x, asked);
        only_those_asked(&cascade, x, asked);
        same_sets(ThresholdPredictor::new(width, neurons, vec![Some(first), None]), x, asked);
        same_sets(ThresholdPredictor::new(width, neurons, vec![Some(copy), None]), x, asked);
        same_sets(ThresholdPredictor::new(width, neurons, vec![Some(cascade), None]), x, asked);
        same_sets(AllNeurons::new(vec![neurons as u32; 2]), x, asked);
    }

    #[test]
    fn low_rank_scores_are_near_the_exact_product(
        width in 1usize..70, neurons in 1usize..50, rank in 1usize..20, seed: u64,
    ) {
        let factors = factors((width, neurons), rank, seed);
        let group = LowRankGroup::quantise(&factors);
        let x = Numbers::new(seed ^ 1).take(width);
        let exact_x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let z: Vec<f64> = factors.inner().chunks(width).map(|row| dot(row, &exact_x)).collect();
        // Half a step of each rounding, times what it is multiplied with.
        let slack = 0.012 * rank as f64 * width as f64;
        for (neuron, score) in scores(&group, &compute(), &x).into_iter().enumerate() {
            let exact = dot(&factors.outer()[neuron * rank..][..rank], &z)
                + f64::from(factors.bias()[neuron]);
            prop_assert!((f64::from(score) - exact).abs() <= slack, "{score} {exact}");
        }
    }

    #[test]
    fn copied_rows_are_off_by_a_step_at_most_or_clipped(
        width in 1usize..70, neurons in 1usize..30, bits in 2usize..=4, seed: u64,
    ) {
        let group = Group::new((width, neurons), 1, 1, 0.1, seed);
        let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), bits);
        for column in 0..width {
            let mut unit = vec![0.0; width];
            unit[column] = 1.0;
            for (neuron, score) in scores(&copy, &compute(), &unit).into_iter().enumerate() {
                let row = &group.rows[neuron * width..][..width];
                let weight = score - group.bias[neuron];
                let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
                // A row may clip its largest weights to 44 % to round the others better.
                let step = 2.0 * largest / ((1 << bits) - 1) as f32;
                let clipped = row[column].abs() > 0.4 * largest
                    && weight.abs() >= 0.4 * largest && weight * row[column] > 0.0;
                prop_assert!((weight - row[column]).abs() <= 0.51 * step + 1e-4 || clipped,
                    "{weight} for {} of {largest}", row[column]);
            }
        }
    }

    #[test]
    fn the_bits_depend_on_neither_chunk_nor_threads_nor_instructions(
        width in 1usize..90, neurons in 1usize..60, rank in 1usize..40,
        positions in 1usize..5, bits in 2usize..=4, seed: u64,
    ) {
        let input = Numbers::new(seed).take(positions * width);
        same_bits_everywhere(&LowRankGroup::quantise(&factors((width, neurons), rank, seed)), &input);
        let group = Group::new((width, neurons), 1, 1, 0.1, seed);
        let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), bits);
        same_bits_everywhere(&copy, &input);
        let first = LowRankGroup::quantise(&factors((width, neurons), rank, seed));
        let (cascade, _) = cascade(first, copy, &group, &input);
        same_bits_everywhere(&cascade, &input);
    }

    #[test]
    fn a_cascade_asks_the_copy_about_candidates_and_names_no_other(
        width in 1usize..40, neurons in 1usize..60, positions in 1usize..6, seed: u64,
    ) {
        let input = Numbers::new(seed).take(positions * width);
        let group = Group::new((width, neurons), 2, 1, 0.1, seed);
        let first = LowRankGroup::quantise(&factors((width, neurons), 2, seed));
        let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), 4);
        let (cascade, candidates) = cascade(first.clone(), copy.clone(), &group, &input);
        let (firsts, seconds) = (one_by_one(&first, &input), one_by_one(&copy, &input));
        for (position, scores) in one_by_one(&cascade, &input).iter().enumerate() {
            for (neuron, &score) in scores.iter().enumerate() {
                let candidate = firsts[position][neuron] >= candidates;
                let expected = if candidate { seconds[position][neuron] } else { f32::NEG_INFINITY };
                prop_assert_eq!(score, expected, "neuron {}", neuron);
            }
        }
    }
}

/// Rows that are multiplied as they are packed; x is at its extremes in some places.
#[test]
fn packed_rows_give_the_bits_of_unpacked_ones() {
    for (width, neurons) in [(8, 9), (128, 70), (136, 31), (248, 131), (4096, 150), (4544, 9)] {
        let mut input = Numbers::new(width as u64).take(3 * width);
        input.iter_mut().step_by(5).for_each(|x| *x = 1e3);
        let group = Group::new((width, neurons), 2, 1, 0.1, 5);
        let first = LowRankGroup::quantise(&factors((width, neurons), 2, 5));
        let copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), 4);
        let all = CascadeGroup::new(first.clone(), copy.clone());
        same_bits_everywhere(&all, &input);
        assert_eq!(one_by_one(&all, &input), one_by_one(&copy, &input), "all are candidates");
        let (some, _) = cascade(first, copy, &group, &input);
        same_bits_everywhere(&some, &input);
    }
}

/// A cascade calibrated on these inputs, and the score that makes a candidate.
fn cascade(
    first: LowRankGroup,
    copy: QuantizedGateLayer,
    group: &Group,
    input: &[f32],
) -> (CascadeGroup, f32) {
    let mut states = HalfStates::new(first.width());
    states.extend(input);
    let activity = Activity::observe(&compute(), &group.deciding(), &mut states).unwrap();
    let tokens = 0..states.tokens();
    let curve = Curve::measure(&compute(), &first, &mut states, &activity, tokens.clone());
    let candidates = curve.unwrap().threshold(1.0 - 0.6 * 0.5);
    let mut cascade = CascadeGroup::new(first, copy);
    cascade.calibrate(&compute(), &mut states, &activity, tokens, 0.5).unwrap();
    (cascade, candidates)
}

#[test]
fn work_that_is_worth_threads_gives_the_same_bits() {
    let (width, neurons, positions) = (256, 250, 530);
    let input = Numbers::new(5).take(positions * width);
    same_bits_everywhere(&LowRankGroup::quantise(&factors((width, neurons), 256, 2)), &input);
    let group = Group::new((width, neurons), 1, 1, 0.1, 3);
    same_bits_everywhere(&QuantizedGateLayer::copy(&compute(), &group.deciding(), 3), &input);
}

#[test]
fn the_largest_integers_do_not_overflow() {
    let width = 5000;
    let rows = vec![1.0; 2 * width];
    let ones = Factors::new(2, rows, vec![1.0, 0.0, 0.5, 0.5], vec![0.0, 0.0]);
    let score = scores(&LowRankGroup::quantise(&ones), &compute(), &vec![-3.0; width]);
    assert!((score[0] + 3.0 * width as f32).abs() < 1.0, "{score:?}");
    assert!((score[1] + 3.0 * width as f32).abs() < 1.0, "{score:?}");
}

#[test]
fn the_largest_integers_of_packed_rows_do_not_overflow() {
    let (width, neurons) = (1 << 16, 3);
    let rows = vec![1.0f32.to_le_bytes(); neurons * width].concat();
    let rows = MatrixView::new(DType::F32, neurons, width, &rows).unwrap();
    let copy =
        QuantizedGateLayer::copy(&compute(), &GateRows::new(rows, None, Activation::Relu), 4);
    let first = LowRankGroup::quantise(&factors((width, neurons), 1, 1));
    let all = CascadeGroup::new(first, copy);
    same_bits_everywhere(&all, &vec![1.0; width]);
    let score = scores(&all, &compute(), &vec![-1.0; width]);
    assert!(score.iter().all(|score| (score + width as f32).abs() < 1.0), "{score:?}");
}

#[test]
fn odd_inputs_give_some_answer() {
    let group = LowRankGroup::quantise(&factors((8, 5), 3, 1));
    for x in [0.0, f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE / 8.0] {
        assert_eq!(scores(&group, &compute(), &[x; 8]).len(), 5);
    }
    let still = scores(&group, &compute(), &[0.0; 8]);
    assert_eq!(still, factors((8, 5), 3, 1).bias(), "nothing in, the bias out");
}

#[test]
fn sets_are_those_that_reach_the_threshold_and_a_dense_group_names_all() {
    let mut group = LowRankGroup::quantise(&factors((12, 40), 4, 8));
    let input = Numbers::new(2).take(3 * 12);
    let expected = one_by_one(&group, &input);
    group.set_threshold(expected[1][7]);
    let mut predictor: LowRank = ThresholdPredictor::new(12, 40, vec![Some(group.clone()), None]);
    let mut sets = vec![UnitSet::full(3); 3];
    predictor.predict(&compute(), 0, &input, &mut sets).unwrap();
    for (set, scores) in sets.iter().zip(&expected) {
        let reach = (0..40).filter(|&n| scores[n as usize] >= group.threshold());
        assert_eq!(*set, UnitSet::from_unsorted(reach.collect()));
    }
    assert!(sets[1].contains(7), "the threshold itself is reached");
    predictor.predict(&compute(), 1, &input, &mut sets).unwrap();
    assert!(sets.iter().all(|set| *set == UnitSet::full(40)));
    assert_eq!((predictor.kind(), predictor.bytes()), ("low-rank", group.bytes()));
}

#[test]
fn wrong_groups_and_sizes_are_errors() {
    let group = LowRankGroup::quantise(&factors((12, 40), 4, 8));
    let mut predictor = ThresholdPredictor::new(12, 40, vec![Some(group)]);
    let error = predictor.predict(&compute(), 1, &[0.0; 12], &mut [UnitSet::new()]).unwrap_err();
    assert!(matches!(error, PredictorError::UnknownGroup { group: 1, known: 1 }));
    let error = predictor.predict(&compute(), 0, &[0.0; 13], &mut [UnitSet::new()]).unwrap_err();
    assert!(matches!(error, PredictorError::InputSize { got: 13, positions: 1, width: 12 }));
    predictor.predict(&compute(), 0, &[], &mut []).unwrap();
}

#[test]
fn a_copy_knows_where_its_activation_turns_on() {
    let rows: Vec<u8> = [1.0f32, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let rows = MatrixView::new(DType::F32, 2, 1, &rows).unwrap();
    let deciding = GateRows::new(rows, Some(&[0.0, 2.0]), Activation::FatRelu(0.5));
    let copy = QuantizedGateLayer::copy(&compute(), &deciding, 4);
    let mut predictor: QuantizedGate = ThresholdPredictor::new(1, 2, vec![Some(copy)]);
    let mut sets = vec![UnitSet::new(); 2];
    predictor.predict(&compute(), 0, &[0.4, 0.6], &mut sets).unwrap();
    assert_eq!((sets[0].as_slice(), sets[1].as_slice()), (&[1][..], &[0, 1][..]));
    assert_eq!(predictor.kind(), "gate-copy");
}
