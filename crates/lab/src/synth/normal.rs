//! The normal distribution backwards: which number has so much of it below.

/// Halvings of the interval: past the precision of an f32.
const HALVINGS: usize = 44;
/// No number farther out is asked for.
const FARTHEST: f64 = 8.0;

/// The number that a normal one of deviation one is below with probability `p`.
pub(super) fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-FARTHEST, FARTHEST);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let below = libm::erfc(-middle * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
        if below < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, expected) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306)] {
            assert!((quantile(p) - expected).abs() < 1e-8, "{p}");
        }
    }
}
