//! Eigenvalues and eigenvectors of a symmetric matrix, in f64: reflections to three diagonals, then
//! rotations that chase the off-diagonal to zero.

/// What [`symmetric_eigen`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Largest first.
    pub values: Vec<f64>,
    /// One row per value, in the same order, of length one.
    pub vectors: Vec<f64>,
}

/// Rotations per eigenvalue after which its remaining off-diagonal is accepted; three are usual.
const SWEEPS: usize = 60;

/// The eigenvalues and eigenvectors of `matrix` (size x size; the upper triangle is taken as the mirror of
/// the lower one).
///
/// # Panics
/// When `matrix` is not square.
pub fn symmetric_eigen(mut matrix: Vec<f64>, size: usize) -> Eigen {
    assert_eq!(matrix.len(), size * size, "a square matrix of side {size}");
    // Squares of very small or large numbers would leave f64.
    let unit = matrix.iter().fold(0.0f64, |unit, x| unit.max(x.abs()));
    if unit > 0.0 {
        matrix.iter_mut().for_each(|x| *x /= unit);
    }
    let mut rows = identity(size);
    let mut off = vec![0.0; size];
    for column in 0..size.saturating_sub(2) {
        reflect(&mut matrix, &mut rows, size, column);
    }
    for i in 1..size {
        off[i - 1] = matrix[i * size + i - 1];
    }
    let mut values: Vec<f64> = (0..size).map(|i| matrix[i * size + i]).collect();
    for first in 0..size {
        for _ in 0..SWEEPS {
            let last = unreduced(&values, &off, first);
            if last == first {
                break;
            }
            sweep(&mut values, &mut off, &mut rows, size, first, last);
        }
    }
    values.iter_mut().for_each(|value| *value *= unit);
    sorted(values, &rows, size)
}

/// Householder: zeroes `column` below the first off-diagonal by a reflection from both sides, and applies
/// the reflection to the rows that become eigenvectors.
fn reflect(matrix: &mut [f64], rows: &mut [f64], size: usize, column: usize) {
    let start = column + 1;
    let mut v: Vec<f64> = (start..size).map(|row| matrix[row * size + column]).collect();
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length == 0.0 {
        return;
    }
    let corner = -length.copysign(v[0]);
    v[0] -= corner;
    let scale = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
    if !scale.is_finite() {
        return;
    }
    // A - v w^T - w v^T with w = p - (scale v.p / 2) v and p = scale A v.
    let mut w: Vec<f64> = (start..size)
        .map(|row| scale * dot(&matrix[row * size + start..(row + 1) * size], &v))
        .collect();
    let half = scale * dot(&w, &v) / 2.0;
    w.iter_mut().zip(&v).for_each(|(w, v)| *w -= half * v);
    for (i, row) in (start..size).enumerate() {
        let row = &mut matrix[row * size + start..(row + 1) * size];
        for (x, (v_j, w_j)) in row.iter_mut().zip(v.iter().zip(&w)) {
            *x -= v[i] * w_j + w[i] * v_j;
        }
    }
    matrix[start * size + column] = corner;
    let mut sums = vec![0.0; size];
    for (&v, row) in v.iter().zip(rows[start * size..].chunks_exact(size)) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += v * x);
    }
    for (&v, row) in v.iter().zip(rows[start * size..].chunks_exact_mut(size)) {
        row.iter_mut().zip(&sums).for_each(|(x, sum)| *x -= scale * v * sum);
    }
}

/// Where the block that starts at `first` ends: at the next off-diagonal that is nothing beside its
/// neighbours.
fn unreduced(values: &[f64], off: &[f64], first: usize) -> usize {
    let small = |i: usize| {
        let beside = values[i].abs() + values[i + 1].abs();
        off[i].abs() <= f64::EPSILON * beside
    };
    (first..values.len() - 1).find(|&i| small(i)).unwrap_or(values.len() - 1)
}

/// One implicit QL step with a shift from the top corner of the block `first..=last`.
fn sweep(
    values: &mut [f64],
    off: &mut [f64],
    rows: &mut [f64],
    size: usize,
    first: usize,
    last: usize,
) {
    let ratio = (values[first + 1] - values[first]) / (2.0 * off[first]);
    let shift = values[first] - off[first] / (ratio + ratio.hypot(1.0).copysign(ratio));
    let mut bulge = values[last] - shift;
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let (outer, inner) = (sine * off[i], cosine * off[i]);
        let length = outer.hypot(bulge);
        off[i + 1] = length;
        if length == 0.0 {
            // The block fell apart: what is left of it is a smaller one.
            values[i + 1] -= moved;
            off[last] = 0.0;
            return;
        }
        (sine, cosine) = (outer / length, bulge / length);
        let corner = values[i + 1] - moved;
        let turned = (values[i] - corner) * sine + 2.0 * cosine * inner;
        moved = sine * turned;
        values[i + 1] = corner + moved;
        bulge = cosine * turned - inner;
        let (upper, lower) = rows[i * size..].split_at_mut(size);
        for (x, y) in upper.iter_mut().zip(lower) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    values[first] -= moved;
    off[first] = bulge;
    off[last] = 0.0;
}

fn sorted(values: Vec<f64>, rows: &[f64], size: usize) -> Eigen {
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let vectors = order.iter().flat_map(|&i| &rows[i * size..(i + 1) * size]).copied().collect();
    Eigen { values: order.iter().map(|&i| values[i]).collect(), vectors }
}

fn identity(size: usize) -> Vec<f64> {
    (0..size * size).map(|i| if i % (size + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
