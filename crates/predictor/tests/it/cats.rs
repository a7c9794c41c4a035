//! Thresholds on activations alone, as bundles of earlier versions have them: they are read, keep what they kept, and are
//! refused where they are malformed.

use crate::synthetic::{Group, compute};
use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, Isa};
use flint_predictor::{
    BlobFault, Cats, CatsGroup, LevelledLayer, Predictor, QuantizedGateLayer, States,
    ThresholdLayer,
};

const SHAPE: (usize, usize) = (24, 100);
const TOKENS: usize = 600;
/// Sparsity, threshold and perplexity of each level.
const LEVELS: [(f32, f32, f64); 3] = [(0.25, 0.05, 10.5), (0.5, 0.15, 11.0), (0.9, 0.6, 20.0)];

fn group() -> Group {
    Group::new(SHAPE, TOKENS, 5, 0.3, 3)
}

/// A blob as it was written: the table of levels, then the copy.
fn blob(activation: u32, levels: &[(f32, f32, f64)]) -> Vec<u8> {
    let mut bytes = b"FLct".to_vec();
    for number in [1, activation, levels.len() as u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(10.0f64.to_le_bytes());
    for &(sparsity, threshold, perplexity) in levels {
        for number in [sparsity, threshold, 1.0 - sparsity, 0.9] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(perplexity.to_le_bytes());
    }
    let deciding = group();
    let deciding = deciding.deciding_with(Activation::Silu);
    bytes.extend(QuantizedGateLayer::copy(&compute(), &deciding, 4).to_bytes());
    bytes
}

fn measured(activation: Activation) -> CatsGroup {
    let code = [Activation::Silu, Activation::Gelu, Activation::GeluTanh];
    let code = code.iter().position(|&known| known == activation).unwrap();
    CatsGroup::from_bytes(SHAPE.0, SHAPE.1, &blob(code as u32, &LEVELS)).unwrap()
}

/// |silu(x)|, in f64.
fn strength(x: f64) -> f64 {
    (x / (1.0 + (-x).exp())).abs()
}

#[test]
fn what_is_kept_is_what_is_strong() {
    let (group, mut states) = (group(), group().collected());
    let mut cats = Cats::new(SHAPE.0, SHAPE.1, vec![Some(measured(Activation::Silu))]);
    let level = cats.choose(0.5).unwrap();
    assert_eq!((level.sparsity, level.perplexity), (0.5, Some(11.0)));
    let (mut wrong, mut clear) = (0, 0);
    for token in (0..TOKENS).step_by(7) {
        let mut x = vec![0.0; SHAPE.0];
        states.read(token, &mut x).unwrap();
        let mut sets = [UnitSet::new()];
        cats.predict(&compute(), 0, &x, &mut sets).unwrap();
        for neuron in 0..SHAPE.1 {
            let truly =
                strength(group.pre(&mut states, token, neuron)) / f64::from(level.threshold);
            // Close to the threshold the copy decides.
            if (0.5..2.0).contains(&truly) {
                continue;
            }
            clear += 1;
            wrong += usize::from(sets[0].contains(neuron as u32) != (truly > 1.0));
        }
    }
    assert!(clear > 2000, "{clear} clear cases");
    assert!(wrong * 50 < clear, "{wrong} of {clear} clear cases");
}

#[test]
fn what_is_not_asked_about_has_no_strength_and_the_rest_is_as_among_all() {
    let (cats, mut states, mut x) =
        (measured(Activation::Silu), group().collected(), [0.0; SHAPE.0]);
    states.read(3, &mut x).unwrap();
    let (mut all, mut some) = ([0.0; SHAPE.1], [0.0; SHAPE.1]);
    cats.scores(&compute(), &x, &mut all);
    let asked = |neuron: u32| neuron.is_multiple_of(3);
    cats.scores_among(&compute(), &x, &asked, &mut some);
    for (neuron, (some, all)) in (0..).zip(some.iter().zip(all)) {
        let expected = if asked(neuron) { all } else { f32::NEG_INFINITY };
        assert_eq!(some.to_bits(), expected.to_bits(), "{neuron}");
    }
}

#[test]
fn what_is_kept_does_not_depend_on_chunk_threads_or_instruction_set() {
    let x = &group().states[..16 * SHAPE.0];
    let sets = |compute: &Compute, chunk: usize| {
        let mut cats = Cats::new(SHAPE.0, SHAPE.1, vec![Some(measured(Activation::GeluTanh))]);
        cats.choose(0.9).unwrap();
        let mut all = Vec::new();
        for x in x.chunks(chunk * SHAPE.0) {
            let mut sets = vec![UnitSet::new(); x.len() / SHAPE.0];
            cats.predict(compute, 0, x, &mut sets).unwrap();
            all.extend(sets);
        }
        all
    };
    let expected = sets(&Compute::new(Isa::Scalar, 1).unwrap(), 1);
    assert!(expected.iter().all(|set| set.len() < SHAPE.1 / 2));
    for isa in Isa::available() {
        for threads in [1, 2] {
            for chunk in [1, 5, 16] {
                let compute = Compute::new(isa, threads).unwrap();
                assert_eq!(sets(&compute, chunk), expected, "{isa:?} {threads} {chunk}");
            }
        }
    }
}

#[test]
fn a_group_reads_back_as_it_was_and_no_cut_of_it_does() {
    for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh] {
        let group = measured(activation);
        let bytes = group.to_bytes();
        assert_eq!(group.levels().len(), LEVELS.len());
        let parse = |bytes: &[u8]| CatsGroup::from_bytes(SHAPE.0, SHAPE.1, bytes);
        let read = parse(&bytes).unwrap();
        assert_eq!((&read, read.activation()), (&group, activation));
        assert_eq!(read.perplexity_exact(), Some(10.0));
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "cut to {len}");
        }
        for at in 0..24 * 5 {
            for to in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = to;
                // Either is fine; what counts is that it returns.
                let _ = parse(&changed);
            }
        }
    }
}

#[test]
fn each_lie_is_named() {
    let bytes = measured(Activation::Silu).to_bytes();
    let fault = |word: usize, value: u32| {
        let mut bytes = bytes.clone();
        bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        CatsGroup::from_bytes(SHAPE.0, SHAPE.1, &bytes).unwrap_err()
    };
    assert!(matches!(fault(0, 0), BlobFault::Magic { .. }));
    assert!(matches!(fault(1, 2), BlobFault::Version { got: 2, .. }));
    assert!(matches!(fault(2, 3), BlobFault::Size { field: "the activation", got: 3, .. }));
    for count in [0, 17, u32::MAX] {
        assert!(matches!(fault(3, count), BlobFault::Size { got, .. } if got == count));
    }
    // Perplexity below 1; a level as sparse as the next; thresholds and shares that are not numbers in range.
    for (word, value) in
        [(5, 0.5f32), (6, 0.5), (6, 0.0), (6, f32::NAN), (7, f32::NAN), (7, -1.0), (8, 1.5)]
    {
        assert_eq!(fault(word, value.to_bits()), BlobFault::Levels, "word {word}: {value}");
    }
    // The upper half of an infinite f64.
    assert_eq!(fault(11, 0x7ff0_0000), BlobFault::Levels);
}

#[test]
fn a_level_that_is_not_there_or_that_groups_disagree_about_is_refused() {
    let group = measured(Activation::Silu);
    let mut levels = LEVELS;
    levels[1].2 = 12.0;
    let other = CatsGroup::from_bytes(SHAPE.0, SHAPE.1, &blob(0, &levels)).unwrap();
    let mut cats = Cats::new(SHAPE.0, SHAPE.1, vec![Some(group.clone()), Some(other)]);
    let said = cats.choose(0.4).unwrap_err().to_string();
    assert_eq!(said, "the predictor of group 0 has no threshold for sparsity 0.4");
    assert!(cats.choose(0.25).is_ok());
    assert!(cats.choose(0.5).unwrap_err().to_string().starts_with("the predictor of group 1"));
    let mut holes = Cats::new(SHAPE.0, SHAPE.1, vec![Some(group), None]);
    assert!(holes.choose(0.5).is_err());
}
