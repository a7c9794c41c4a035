//! Groups and states with a known structure: a few hidden causes, plus noise.

use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::{Activity, GateRows, HalfStates, States};

/// A sequence of numbers that look random.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(2).wrapping_add(0x1234_5671))
    }

    /// The next one, between -1 and 1.
    pub(crate) fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A group, and states of a text.
pub(crate) struct Group {
    pub(crate) width: usize,
    pub(crate) neurons: usize,
    pub(crate) rows: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) states: Vec<f32>,
    bytes: Vec<u8>,
}

impl Group {
    /// States made of `causes` hidden causes and noise of this size; about a tenth of the neurons fire.
    pub(crate) fn new(
        (width, neurons): (usize, usize),
        tokens: usize,
        causes: usize,
        noise: f32,
        seed: u64,
    ) -> Group {
        let mut numbers = Numbers::new(seed);
        let mix = numbers.take(causes * width);
        let mut states = Vec::with_capacity(tokens * width);
        for _ in 0..tokens {
            let cause = numbers.take(causes);
            for column in 0..width {
                let part = |k: usize| cause[k] * mix[k * width + column];
                states.push((0..causes).map(part).sum::<f32>() + noise * numbers.next() + 0.1);
            }
        }
        let rows = numbers.take(neurons * width);
        let reach = (width * causes) as f32;
        let bias: Vec<f32> = (0..neurons).map(|_| -0.25 * reach.sqrt()).collect();
        let bytes = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        Group { width, neurons, rows, bias, states, bytes }
    }

    pub(crate) fn deciding(&self) -> GateRows<'_> {
        self.deciding_with(Activation::Relu)
    }

    pub(crate) fn matrix(&self) -> MatrixView<'_> {
        MatrixView::new(DType::F32, self.neurons, self.width, &self.bytes).unwrap()
    }

    pub(crate) fn deciding_with(&self, activation: Activation) -> GateRows<'_> {
        GateRows::new(self.matrix(), Some(&self.bias), activation)
    }

    pub(crate) fn collected(&self) -> HalfStates {
        let mut states = HalfStates::new(self.width);
        states.extend(&self.states);
        states
    }

    pub(crate) fn activity(&self) -> Activity {
        Activity::observe(&compute(), &self.deciding(), &mut self.collected()).unwrap()
    }

    /// What the activation of a neuron is applied to, in f64, on the state as collected.
    pub(crate) fn pre(&self, states: &mut HalfStates, token: usize, neuron: usize) -> f64 {
        let mut x = vec![0.0; self.width];
        states.read(token, &mut x).unwrap();
        let row = &self.rows[neuron * self.width..][..self.width];
        let dot: f64 = row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
        dot + f64::from(self.bias[neuron])
    }
}

pub(crate) fn compute() -> Compute {
    Compute::new(Isa::best(), 2).unwrap()
}
