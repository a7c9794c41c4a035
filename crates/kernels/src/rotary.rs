//! Rotary position embedding: pairs of a head's numbers turned by an angle that grows with position.

/// How the angles are stretched for contexts longer than a model was first trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// All angles divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// As in Llama 3.1: slow angles divided by `factor`, fast ones kept, those between blended.
    Llama3 {
        /// The divisor of the slow angles.
        factor: f64,
        /// Angles turning less often than this in the original context are slow.
        low: f64,
        /// Angles turning more often than this in the original context are fast.
        high: f64,
        /// Context the model was first trained on, in tokens.
        original_context: usize,
    },
    /// YaRN (Peng et al., 2023): slow angles divided by `factor`, fast ones kept, those between blended by their place
    /// among the pairs.
    Yarn {
        /// The divisor of the slow angles.
        factor: f64,
        /// Angles turning more often than this in the original context are fast.
        fast: f64,
        /// Angles turning less often than this in the original context are slow.
        slow: f64,
        /// Context the model was first trained on, in tokens.
        original_context: usize,
        /// Whether the places where blending begins and ends are rounded outwards to whole pairs.
        rounded: bool,
    },
}

/// Which numbers of a head are turned against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RotaryPairs {
    /// The second half of the rotated numbers with the first half (the style of NeoX and of Hugging Face checkpoints).
    #[default]
    Halves,
    /// Neighbours (the style of Meta's Llama and of GGUF files of the architecture `llama`).
    Neighbours,
}

impl RotaryPairs {
    /// Whether halves are turned against each other, as in most files.
    pub fn is_halves(&self) -> bool {
        *self == RotaryPairs::Halves
    }
}

/// The turning of one kind of head.
#[derive(Debug, Clone)]
pub struct Rotary {
    head_dim: usize,
    pairs: RotaryPairs,
    /// Radians per position, one for each pair.
    frequencies: Vec<f64>,
    /// What sines and cosines are multiplied by.
    magnitude: f64,
}

impl Rotary {
    /// Turns the first `rotated_dims` of the `head_dim` numbers of a head; `theta` is the base of the
    /// angles (10000 in most models).
    ///
    /// # Panics
    /// When `rotated_dims` is odd or above `head_dim`.
    pub fn new(head_dim: usize, rotated_dims: usize, theta: f64, scaling: RotaryScaling) -> Rotary {
        assert!(
            rotated_dims.is_multiple_of(2) && rotated_dims <= head_dim,
            "{rotated_dims} of {head_dim} numbers of a head cannot be paired"
        );
        let frequency = |pair: usize| {
            let plain = libm::pow(theta, -((2 * pair) as f64) / rotated_dims as f64);
            scaling.stretch(plain, pair, rotated_dims, theta)
        };
        let frequencies = (0..rotated_dims / 2).map(frequency).collect();
        Rotary { head_dim, pairs: RotaryPairs::Halves, frequencies, magnitude: 1.0 }
    }

    /// The same with other pairs.
    pub fn with_pairs(self, pairs: RotaryPairs) -> Rotary {
        Rotary { pairs, ..self }
    }

    /// The same with turned numbers multiplied by `magnitude`, as models for long contexts want it.
    pub fn with_magnitude(self, magnitude: f64) -> Rotary {
        Rotary { magnitude, ..self }
    }

    /// The same with each pair's angle divided by its factor; no factors leave the angles as they are.
    ///
    /// # Panics
    /// When there are factors, but not one for each pair.
    pub fn with_factors(mut self, factors: &[f32]) -> Rotary {
        if !factors.is_empty() {
            assert_eq!(factors.len(), self.frequencies.len(), "one factor for each pair");
            let pairs = self.frequencies.iter_mut().zip(factors);
            pairs.for_each(|(frequency, &factor)| *frequency /= f64::from(factor));
        }
        self
    }

    /// Numbers per head.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Turns `x`, rows x `heads` x head size, whose rows stand at `positions`.
    ///
    /// # Panics
    /// When `x` has another size.
    pub fn rotate(
        &self,
        x: &mut [f32],
        heads: usize,
        positions: impl ExactSizeIterator<Item = usize>,
    ) {
        let width = heads * self.head_dim;
        assert_eq!(
            x.len(),
            positions.len() * width,
            "rotate takes one row of {width} per position"
        );
        let mut turns = Vec::with_capacity(self.frequencies.len());
        for (position, x) in positions.zip(x.chunks_mut(width.max(1))) {
            turns.clear();
            turns.extend(self.frequencies.iter().map(|&frequency| {
                // In f64 and by libm: the system's functions differ between machines.
                let (sin, cos) = libm::sincos(position as f64 * frequency);
                ((sin * self.magnitude) as f32, (cos * self.magnitude) as f32)
            }));
            match self.pairs {
                RotaryPairs::Halves => {
                    x.chunks_mut(self.head_dim).for_each(|head| turn(head, &turns));
                }
                RotaryPairs::Neighbours => {
                    x.chunks_mut(self.head_dim).for_each(|head| turn_neighbours(head, &turns));
                }
            }
        }
    }
}

impl RotaryScaling {
    /// The frequency to use for `pair` of `dims` rotated numbers, whose own is `frequency` radians per position.
    fn stretch(self, frequency: f64, pair: usize, dims: usize, theta: f64) -> f64 {
        match self {
            RotaryScaling::None => frequency,
            RotaryScaling::Linear { factor } => frequency / factor,
            RotaryScaling::Llama3 { factor, low, high, original_context } => {
                let turns = original_context as f64 * frequency / std::f64::consts::TAU;
                let fast = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                fast * frequency + (1.0 - fast) * frequency / factor
            }
            RotaryScaling::Yarn { factor, fast, slow, original_context, rounded } => {
                // The pair whose angle turns so often in the original context; a fraction lies between two pairs.
                let place = |turns: f64| {
                    let wavelength = original_context as f64 / (turns * std::f64::consts::TAU);
                    dims as f64 * libm::log(wavelength) / (2.0 * libm::log(theta))
                };
                let (begin, end) = (place(fast), place(slow));
                let (begin, end) = if rounded { (begin.floor(), end.ceil()) } else { (begin, end) };
                let (begin, end) = (begin.max(0.0), end.min((dims - 1) as f64));
                let slowed = ((pair as f64 - begin) / (end - begin).max(0.001)).clamp(0.0, 1.0);
                (1.0 - slowed) * frequency + slowed * frequency / factor
            }
        }
    }
}

/// Turns each pair of a head by its angle's (sine, cosine).
fn turn(head: &mut [f32], turns: &[(f32, f32)]) {
    let (first, rest) = head.split_at_mut(turns.len());
    for ((a, b), (sin, cos)) in first.iter_mut().zip(rest).zip(turns) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

/// The same where a pair lies side by side.
fn turn_neighbours(head: &mut [f32], turns: &[(f32, f32)]) {
    for (pair, (sin, cos)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}
