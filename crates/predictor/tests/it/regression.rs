//! The regression against the best that any matrix of its rank could do.

use crate::synthetic::{Group, compute};
use flint_predictor::Factors;
use flint_predictor::train::{Regression, symmetric_eigen};
use proptest::prelude::*;

/// Sum of squared differences between the true pre-activations and those of `factors`.
fn error(group: &Group, factors: &Factors, tokens: usize) -> f64 {
    let mut states = group.collected();
    let mut sum = 0.0;
    for token in 0..tokens {
        let mut x = vec![0.0; group.width];
        flint_predictor::States::read(&mut states, token, &mut x).unwrap();
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a * b)).sum::<f64>();
        let z: Vec<f32> =
            factors.inner().chunks(group.width).map(|row| dot(row, &x) as f32).collect();
        for neuron in 0..group.neurons {
            let row = &factors.outer()[neuron * factors.rank()..][..factors.rank()];
            let score = dot(row, &z) + f64::from(factors.bias()[neuron]);
            sum += (group.pre(&mut states, token, neuron) - score).powi(2);
        }
    }
    sum
}

/// The least that any product of this rank with any bias leaves: the trailing eigenvalues of the centred
/// Gram matrix of the pre-activations (Eckart and Young).
fn least(group: &Group, rank: usize, tokens: usize) -> f64 {
    let mut states = group.collected();
    let neurons = group.neurons;
    let mut pre: Vec<f64> = Vec::new();
    for token in 0..tokens {
        pre.extend((0..neurons).map(|neuron| group.pre(&mut states, token, neuron)));
    }
    for neuron in 0..neurons {
        let mean = (0..tokens).map(|t| pre[t * neurons + neuron]).sum::<f64>() / tokens as f64;
        (0..tokens).for_each(|t| pre[t * neurons + neuron] -= mean);
    }
    let gram = (0..neurons * neurons)
        .map(|k| {
            (0..tokens)
                .map(|t| pre[t * neurons + k / neurons] * pre[t * neurons + k % neurons])
                .sum()
        })
        .collect();
    symmetric_eigen(gram, neurons).values[rank..].iter().map(|value| value.max(0.0)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_factors_of_the_rank_are_nearer(
        width in 4usize..20, neurons in 4usize..30, rank in 1usize..6, seed: u64,
    ) {
        let tokens = 60;
        let rank = rank.min(width).min(neurons);
        let group = Group::new((width, neurons), tokens, 3, 0.5, seed);
        let regression = Regression::fit(
            &compute(), &group.deciding(), &mut group.collected(), 0..tokens, rank, seed,
        ).unwrap();
        let got = error(&group, &regression.factors(rank), tokens);
        let least = least(&group, rank, tokens);
        let all = error(&group, &Factors::new(
            1, vec![0.0; width], vec![0.0; neurons], group.bias.clone(),
        ), tokens);
        prop_assert!(got <= 1.02 * least + 1e-6 * all, "{got} against {least} of {all}");
    }
}

#[test]
fn many_directions_are_as_near_as_few() {
    let (tokens, rank) = (400, 70);
    let group = Group::new((100, 110), tokens, 5, 0.5, 13);
    let mut states = group.collected();
    let fit =
        Regression::fit(&compute(), &group.deciding(), &mut states, 0..tokens, rank, 1).unwrap();
    let got = error(&group, &fit.factors(rank), tokens);
    let least = least(&group, rank, tokens);
    assert!(got <= 1.02 * least, "{got} against {least}");
}

#[test]
fn smaller_ranks_are_the_first_directions_of_larger_ones() {
    let group = Group::new((16, 40), 300, 6, 0.2, 7);
    let fit = |rank| {
        let mut states = group.collected();
        Regression::fit(&compute(), &group.deciding(), &mut states, 0..300, rank, 1).unwrap()
    };
    let (large, small) = (fit(12), fit(4));
    let (a, b) = (error(&group, &large.factors(4), 300), error(&group, &small.factors(4), 300));
    assert!((a - b).abs() < 1e-3 * a, "{a} {b}");
}

#[test]
fn states_of_few_causes_need_no_more_directions_and_break_nothing() {
    let group = Group::new((16, 40), 200, 3, 0.0, 11);
    let mut states = group.collected();
    let regression =
        Regression::fit(&compute(), &group.deciding(), &mut states, 0..200, 100, 1).unwrap();
    assert_eq!(regression.rank(), 16);
    for rank in [3, 16] {
        let factors = regression.factors(rank);
        let numbers = factors.inner().iter().chain(factors.outer()).chain(factors.bias());
        assert!(numbers.copied().all(f32::is_finite));
        assert!(error(&group, &factors, 200) < 1.0);
    }
}

#[test]
fn states_that_never_change_are_survived() {
    let mut group = Group::new((8, 16), 50, 2, 0.3, 5);
    group.states.fill(0.5);
    let mut states = group.collected();
    let regression =
        Regression::fit(&compute(), &group.deciding(), &mut states, 0..50, 4, 1).unwrap();
    let factors = regression.factors(2);
    assert!(factors.inner().iter().chain(factors.bias()).copied().all(f32::is_finite));
    assert!(error(&group, &factors, 50) < 1e-2);
}
