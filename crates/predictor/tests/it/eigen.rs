//! Eigenvalues and eigenvectors: what they mean, checked directly.

use crate::synthetic::Numbers;
use flint_predictor::train::{Eigen, symmetric_eigen};
use proptest::prelude::*;

fn check(matrix: &[f64], size: usize) {
    let Eigen { values, vectors } = symmetric_eigen(matrix.to_vec(), size);
    let norm = matrix.iter().fold(0.0f64, |norm, x| norm.max(x.abs())) * size as f64;
    let vector = |i: usize| &vectors[i * size..(i + 1) * size];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    for (i, value) in values.iter().enumerate() {
        for row in 0..size {
            let image = dot(&matrix[row * size..(row + 1) * size], vector(i));
            let off = (image - value * vector(i)[row]).abs();
            assert!(off <= 1e-12 * norm * size as f64, "row {row} of vector {i}: off by {off}");
        }
        for j in 0..=i {
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((dot(vector(i), vector(j)) - expected).abs() < 1e-12 * size as f64);
        }
    }
}

fn symmetric(size: usize, seed: u64) -> Vec<f64> {
    let numbers = Numbers::new(seed).take(size * size);
    let at = |i: usize, j: usize| f64::from(numbers[i.max(j) * size + i.min(j)]);
    (0..size * size).map(|k| at(k / size, k % size)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn vectors_are_orthonormal_and_the_matrix_only_stretches_them(size in 1usize..40, seed: u64) {
        check(&symmetric(size, seed), size);
    }

    #[test]
    fn matrices_that_fall_apart_into_blocks_are_solved(size in 1usize..9, seed: u64) {
        let few = symmetric(size, seed);
        check(&few.iter().map(|x| (1.4 * x).trunc()).collect::<Vec<f64>>(), size);
    }
}

#[test]
fn repeated_and_zero_eigenvalues_have_vectors_too() {
    check(&[0.0; 25], 5);
    check(&[1.0; 49], 7);
    check(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, -1.0], 3);
    check(&[1e-30, 2e-30, 2e-30, 1e-30], 2);
    check(&[1e12, 1.0, 1.0, 1e-12], 2);
    for unit in [1e-200, 1e200] {
        check(&[unit, 2.0 * unit, 0.5 * unit, 2.0 * unit, 0.0, unit, 0.5 * unit, unit, -unit], 3);
    }
}

#[test]
fn a_known_matrix_has_its_known_values() {
    let eigen = symmetric_eigen(vec![2.0, 1.0, 1.0, 2.0], 2);
    assert!((eigen.values[0] - 3.0).abs() < 1e-14 && (eigen.values[1] - 1.0).abs() < 1e-14);
}

#[test]
fn a_matrix_of_a_usual_rank_is_solved() {
    check(&symmetric(120, 3), 120);
}
