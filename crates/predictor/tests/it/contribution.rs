//! Thresholds on what neurons add: they keep the share that was asked for, the strongest of it, share it out among groups
//! where it harms least, and come back from their bytes.

use crate::synthetic::{Group, Numbers, compute};
use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, Isa};
use flint_predictor::{
    BlobFault, Contribution, ContributionGroup, HalfStates, Judged, Level, LevelledLayer,
    NeuronRows, Precision, Predictor, States, Strengths, ThresholdLayer, thresholds,
};

/// Rows that are no whole number of blocks.
const SHAPE: (usize, usize) = (40, 100);
const TOKENS: usize = 600;
const SPARSITIES: [f32; 3] = [0.25, 0.5, 0.9];

/// Rows of gates, rows of ups, and how long down columns are.
struct Neurons {
    gate: Group,
    up: Group,
    down: Group,
    lengths: Vec<f32>,
}

impl Neurons {
    fn new() -> Neurons {
        let lengths = Numbers::new(9).take(SHAPE.1).iter().map(|x| x.abs() + 0.1).collect();
        let group = |seed| Group::new(SHAPE, TOKENS, 5, 0.3, seed);
        Neurons { gate: group(3), up: group(4), down: group(5), lengths }
    }

    fn rows(&self, activation: Activation, gated: bool) -> NeuronRows<'_> {
        let up = gated.then(|| self.up.deciding_with(activation));
        let columns = (self.down.matrix(), &self.lengths[..]);
        NeuronRows::new(self.gate.deciding_with(activation), up, columns)
    }

    /// What the column of a neuron is multiplied with for a state, in f64.
    fn value(&self, states: &mut HalfStates, token: usize, neuron: usize, gated: bool) -> f64 {
        let gate = self.gate.pre(states, token, neuron);
        let up = if gated { self.up.pre(states, token, neuron) } else { 1.0 };
        gate / (1.0 + (-gate).exp()) * up
    }

    /// What a neuron adds, in f64.
    fn strength(&self, states: &mut HalfStates, token: usize, neuron: usize, gated: bool) -> f64 {
        self.value(states, token, neuron, gated).abs() * f64::from(self.lengths[neuron])
    }
}

/// A group with thresholds for all sparsities, and what they keep.
fn made(neurons: &Neurons, activation: Activation, gated: bool) -> (ContributionGroup, Judged) {
    let (rows, mut states) = (neurons.rows(activation, gated), neurons.gate.collected());
    let mut group = ContributionGroup::copy(&compute(), &rows);
    let (set, judge) = (0..TOKENS / 2, TOKENS / 2..TOKENS);
    let by_copy = Strengths::measure(&compute(), &group, &mut states, set.clone()).unwrap();
    let by_rows = rows.strengths(&compute(), &mut states, set).unwrap();
    let cut = |strengths: &Strengths| SPARSITIES.map(|share| strengths.threshold(share));
    let (cuts, true_cuts) = (cut(&by_copy), cut(&by_rows));
    let both = (&cuts[..], &true_cuts[..]);
    let judged = Judged::of(&compute(), (&group, &rows), &mut states, judge, both).unwrap();
    let level = |index: usize| Level {
        sparsity: SPARSITIES[index],
        threshold: cuts[index],
        kept: judged.found[index].predicted_share() as f32,
        recall: judged.found[index].score.recall() as f32,
        perplexity: None,
        precision: None,
    };
    group.set_levels((0..SPARSITIES.len()).map(level).collect());
    (group, judged)
}

fn measured(activation: Activation, gated: bool) -> ContributionGroup {
    let mut group = made(&Neurons::new(), activation, gated).0;
    let precision = Precision {
        tokens: 500,
        margin: 0.1,
        margin_exact: 0.2,
        margin_cost: 0.01,
        agreement: 0.9,
        margin_agreement: f64::INFINITY,
    };
    group.set_costs(10.0, &[10.5, 11.0, 20.0].map(|perplexity| (perplexity, precision)));
    group
}

#[test]
fn each_threshold_keeps_its_share_and_the_strongest() {
    for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh] {
        for gated in [false, true] {
            let (group, judged) = made(&Neurons::new(), activation, gated);
            assert!(group.levels().is_sorted_by(|a, b| a.threshold < b.threshold));
            for (level, sparsity) in group.levels().iter().zip(SPARSITIES) {
                let told = format!("{activation:?} {gated} {level:?}");
                assert!((level.kept - (1.0 - sparsity)).abs() < 0.05, "{told}");
                assert!(level.recall > 0.8, "{told}");
            }
            let mut hot = judged.hot.clone();
            hot.sort_unstable();
            assert!(hot.iter().copied().eq(0..SHAPE.1 as u32));
        }
    }
}

#[test]
fn what_is_kept_is_what_adds_most() {
    let neurons = Neurons::new();
    let mut states = neurons.gate.collected();
    for gated in [false, true] {
        let group = measured(Activation::Silu, gated);
        let mut predictor = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(group)]);
        let level = predictor.choose(0.5).unwrap();
        assert_eq!((level.sparsity, level.perplexity), (0.5, Some(11.0)));
        let (mut wrong, mut clear) = (0, 0);
        for token in (0..TOKENS).step_by(7) {
            let mut x = vec![0.0; SHAPE.0];
            states.read(token, &mut x).unwrap();
            let mut sets = [UnitSet::new()];
            predictor.predict(&compute(), 0, &x, &mut sets).unwrap();
            for neuron in 0..SHAPE.1 {
                let truly = neurons.strength(&mut states, token, neuron, gated);
                let truly = truly / f64::from(level.threshold);
                // Close to the threshold the copy decides.
                if (0.5..2.0).contains(&truly) {
                    continue;
                }
                clear += 1;
                wrong += usize::from(sets[0].contains(neuron as u32) != (truly > 1.0));
            }
        }
        assert!(clear > 2000, "{clear} clear cases");
        assert!(wrong * 30 < clear, "{wrong} of {clear} clear cases");
    }
}

#[test]
fn copies_of_columns_stand_in_for_what_is_not_kept() {
    let neurons = Neurons::new();
    let mut states = neurons.gate.collected();
    for gated in [false, true] {
        let group = measured(Activation::Silu, gated);
        let mut predictor = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(group)]);
        predictor.choose(0.5).unwrap();
        let (mut off, mut size) = (0.0, 0.0);
        for token in (0..TOKENS).step_by(37) {
            let mut x = vec![0.0; SHAPE.0];
            states.read(token, &mut x).unwrap();
            let (mut sets, mut sum) = ([UnitSet::new()], vec![1.0; SHAPE.0]);
            predictor.predict(&compute(), 0, &x, &mut sets).unwrap();
            predictor.add_others(&compute(), 0, &sets, &mut sum).unwrap();
            let others = (0..SHAPE.1).filter(|&neuron| !sets[0].contains(neuron as u32));
            let mut true_ = vec![1.0; SHAPE.0];
            for neuron in others {
                let value = neurons.value(&mut states, token, neuron, gated);
                let column = &neurons.down.rows[neuron * SHAPE.0..][..SHAPE.0];
                let both = true_.iter_mut().zip(column);
                both.for_each(|(sum, &weight)| *sum += value * f64::from(weight));
            }
            for (&sum, &true_) in sum.iter().zip(&true_) {
                off += (f64::from(sum) - true_).powi(2);
                size += (true_ - 1.0f64).powi(2);
            }
        }
        assert!(size > 1.0 && off < 0.1 * size, "{off} of {size}");
    }
}

#[test]
fn others_are_told_of_positions_that_were_asked_about_alone() {
    let group = measured(Activation::Silu, true);
    let mut predictor = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(group.clone()), Some(group)]);
    predictor.choose(0.5).unwrap();
    let (x, mut sets) = (vec![0.5; SHAPE.0], [UnitSet::new()]);
    predictor.predict(&compute(), 1, &x, &mut sets).unwrap();
    let mut add = |group, positions: usize| {
        let sets = vec![UnitSet::new(); positions];
        let mut sum = vec![0.0; positions * SHAPE.0];
        predictor.add_others(&compute(), group, &sets, &mut sum)
    };
    assert!(add(0, 1).is_err() && add(1, 2).is_err() && add(1, 1).is_ok());
    // Of some neurons alone nothing is known of the others.
    predictor.predict_among(&compute(), 1, &x, &|_| true, &mut sets[0]).unwrap();
    let mut sum = vec![0.0; SHAPE.0];
    assert!(predictor.add_others(&compute(), 1, &sets, &mut sum).is_err());
}

#[test]
fn groups_that_were_stored_without_columns_leave_out_what_they_do_not_keep() {
    let group = measured(Activation::Silu, true);
    let mut bytes = group.to_bytes();
    bytes[4..8].copy_from_slice(&1u32.to_le_bytes());
    // A bias for each number of the width, and rows of a hundred weights.
    bytes.truncate(bytes.len() - SHAPE.0 * (4 + SHAPE.1.div_ceil(32) * 18));
    let old = ContributionGroup::from_bytes(SHAPE.0, SHAPE.1, &bytes).unwrap();
    assert_eq!(old.to_bytes(), bytes);
    assert!(old.bytes() < group.bytes());
    let mut predictor = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(old)]);
    predictor.choose(0.5).unwrap();
    let (x, mut sets, mut sum) = (vec![0.5; SHAPE.0], [UnitSet::new()], vec![0.0; SHAPE.0]);
    predictor.predict(&compute(), 0, &x, &mut sets).unwrap();
    predictor.add_others(&compute(), 0, &sets, &mut sum).unwrap();
    assert_eq!(sum, vec![0.0; SHAPE.0]);
}

#[test]
fn what_is_kept_does_not_depend_on_chunk_threads_or_instruction_set() {
    let neurons = Neurons::new();
    let x = &neurons.gate.states[..80 * SHAPE.0];
    let sets = |compute: &Compute, chunk: usize| {
        let group = measured(Activation::GeluTanh, true);
        let mut predictor = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(group)]);
        predictor.choose(0.9).unwrap();
        let (mut all, mut sums) = (Vec::new(), Vec::new());
        for x in x.chunks(chunk * SHAPE.0) {
            let mut sets = vec![UnitSet::new(); x.len() / SHAPE.0];
            predictor.predict(compute, 0, x, &mut sets).unwrap();
            let mut sum = vec![0.0; x.len()];
            predictor.add_others(compute, 0, &sets, &mut sum).unwrap();
            all.extend(sets);
            sums.extend(sum.into_iter().map(f32::to_bits));
        }
        (all, sums)
    };
    let expected = sets(&Compute::new(Isa::Scalar, 1).unwrap(), 1);
    assert!(expected.0.iter().all(|set| set.len() < SHAPE.1 / 2));
    assert!(expected.1.iter().any(|&bits| bits != 0));
    for isa in Isa::available() {
        for threads in [1, 2] {
            // Some more than are multiplied together.
            for chunk in [1, 5, 80] {
                let compute = Compute::new(isa, threads).unwrap();
                assert_eq!(sets(&compute, chunk), expected, "{isa:?} {threads} {chunk}");
            }
        }
    }
}

#[test]
fn groups_leave_out_together_what_weighs_least() {
    let neurons = Neurons::new();
    let mut states = neurons.gate.collected();
    let mut strengths = |activation, gated| {
        let group = ContributionGroup::copy(&compute(), &neurons.rows(activation, gated));
        let measured = Strengths::measure(&compute(), &group, &mut states, 0..TOKENS).unwrap();
        let mut scores = vec![0.0; TOKENS * SHAPE.1];
        group.scores(&compute(), &neurons.gate.states, &mut scores);
        (measured, scores)
    };
    let (first, first_scores) = strengths(Activation::Silu, true);
    let (second, second_scores) = strengths(Activation::Gelu, false);
    let weights = [0.01, 3.0];
    for sparsity in SPARSITIES {
        let found = thresholds(&[first.clone(), second.clone()], &weights, sparsity);
        // One threshold on what scores weigh.
        let [one, other] = [0, 1].map(|index| f64::from(found[index]) * weights[index]);
        assert!((one / other - 1.0).abs() < 1e-5, "{one} {other}");
        let below = |scores: &[f32], threshold: f32| {
            scores.iter().filter(|&&score| score < threshold).count()
        };
        let counts = [below(&first_scores, found[0]), below(&second_scores, found[1])];
        let all = (first_scores.len() + second_scores.len()) as f32;
        let left_out = (counts[0] + counts[1]) as f32 / all;
        assert!((left_out - sparsity).abs() < 0.01, "{left_out} for {sparsity}");
        // Less is left out of what weighs more.
        let even = thresholds(&[first.clone(), second.clone()], &[1.0; 2], sparsity);
        assert!(found[0] > even[0] && found[1] < even[1], "{found:?} {even:?}");
        let squares = |scores: &[f32], threshold: f32| {
            let left_out = scores.iter().filter(|&&score| score < threshold);
            left_out.map(|&score| f64::from(score).powi(2)).sum::<f64>() / TOKENS as f64
        };
        let (told, true_) = (second.square_below(found[1]), squares(&second_scores, found[1]));
        assert!((told / true_ - 1.0).abs() < 0.02, "{told} {true_}");
        let share = below(&second_scores, found[1]) as f32 / second_scores.len() as f32;
        assert!((second.share_below(found[1]) - share).abs() < 0.01);
    }
}

#[test]
fn a_group_reads_back_as_it_was_and_no_cut_of_it_does() {
    for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh] {
        for gated in [false, true] {
            let group = measured(activation, gated);
            let bytes = group.to_bytes();
            let parse = |bytes: &[u8]| ContributionGroup::from_bytes(SHAPE.0, SHAPE.1, bytes);
            assert_eq!(parse(&bytes).unwrap(), group);
            assert_eq!(ContributionGroup::bytes_of(SHAPE.0, SHAPE.1, gated), group.bytes());
            let most = ContributionGroup::most_stored_bytes(SHAPE.0, SHAPE.1, gated);
            assert_eq!(most, bytes.len() as u64 + 13 * 56, "three of sixteen levels");
            // A header and three levels are not held.
            assert_eq!(bytes.len() as u64, group.bytes() + 48 + 3 * 56);
            for len in (0..300).chain([bytes.len() - 1]) {
                assert!(parse(&bytes[..len]).is_err(), "cut to {len}");
            }
            for at in 0..400 {
                for to in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] = to;
                    // Either is fine; what counts is that it returns.
                    let _ = parse(&changed);
                }
            }
        }
    }
}

#[test]
fn each_lie_is_named() {
    let bytes = measured(Activation::Silu, true).to_bytes();
    let fault = |word: usize, value: u32| {
        let mut bytes = bytes.clone();
        bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        ContributionGroup::from_bytes(SHAPE.0, SHAPE.1, &bytes).unwrap_err()
    };
    assert!(matches!(fault(0, 0), BlobFault::Magic { .. }));
    assert!(matches!(fault(1, 3), BlobFault::Version { got: 3, .. }));
    assert!(matches!(fault(1, 1), BlobFault::Length { .. }));
    assert!(matches!(fault(2, 41), BlobFault::Size { field: "the width", got: 41, .. }));
    assert!(matches!(fault(3, 99), BlobFault::Size { field: "the number of neurons", .. }));
    assert!(matches!(fault(4, 3), BlobFault::Size { field: "the activation", got: 3, .. }));
    for rows in [0, 3, u32::MAX] {
        assert!(matches!(fault(5, rows), BlobFault::Size { got, .. } if got == rows));
    }
    assert!(matches!(fault(5, 1), BlobFault::Length { .. }));
    for count in [0, 17, u32::MAX] {
        assert!(matches!(fault(6, count), BlobFault::Size { got, .. } if got == count));
    }
    assert!(matches!(fault(6, 4), BlobFault::Length { .. }));
    // Perplexity below 1; a margin below zero; levels that do not ascend; thresholds and shares that are not in range.
    for (word, value) in [
        (9, 0.5f32),
        (11, -1.0),
        (12, 0.5),
        (12, 0.0),
        (12, f32::NAN),
        (13, f32::NAN),
        (13, -1.0),
        (14, 1.5),
        (19, -1.0),
        (23, 1e9),
    ] {
        assert_eq!(fault(word, value.to_bits()), BlobFault::Levels, "word {word}: {value}");
    }
    // After the levels come lengths and biases.
    let first = 12 + 3 * 14;
    let lengths = fault(first, f32::INFINITY.to_bits());
    assert_eq!(lengths, BlobFault::NotFinite { field: "the lengths", index: 0 });
    let biases = fault(first + SHAPE.1 + 1, f32::NAN.to_bits());
    assert_eq!(biases, BlobFault::NotFinite { field: "the biases", index: 1 });
    let scales = fault(first + 3 * SHAPE.1, 0x7c00);
    assert_eq!(scales, BlobFault::NotFinite { field: "the scales", index: 0 });
}

#[test]
fn groups_that_tell_different_costs_are_refused() {
    let group = measured(Activation::Silu, true);
    let mut other = group.clone();
    let mut levels: Vec<(f64, Precision)> =
        group.levels().iter().map(|it| (it.perplexity.unwrap(), it.precision.unwrap())).collect();
    levels[1].1.agreement = 0.5;
    other.set_costs(10.0, &levels);
    let mut both = Contribution::new(SHAPE.0, SHAPE.1, vec![Some(group), Some(other)]);
    assert!(both.choose(0.25).is_ok());
    assert!(both.choose(0.5).unwrap_err().to_string().starts_with("the predictor of group 1"));
}
