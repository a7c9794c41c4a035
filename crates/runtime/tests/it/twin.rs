//! A slow, obvious decoder in f64 over random weights, and checkpoints of them in every family's layout: what
//! the reference checkpoints do not try (other seeds, odd sizes, other ratios of heads) is compared with it.

mod cases;
mod checkpoint;
mod decode;
mod layouts;

use std::collections::HashMap;

/// What a model computes, in the words of the papers and not of any configuration.
#[derive(Clone)]
struct Spec {
    vocabulary: usize,
    hidden: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    neurons: usize,
    gated: bool,
    activation: fn(f64) -> f64,
    /// Mean and variance, or the root of the mean square.
    layer_norm: bool,
    epsilon: f64,
    residual: Residual,
    /// Numbers of each head that are rotated, from the front.
    rotated: usize,
    /// Radians per position of a pair, of `pairs` pairs.
    frequency: fn(usize, usize) -> f64,
    /// Positions that a token sees, itself included.
    window: usize,
    head_norm: bool,
    /// Whether query, key, value have biases; the output; gate and up; down.
    biases: [bool; 4],
    tied: bool,
    head_bias: bool,
    /// Learned positions are added from this row on.
    learned_from: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Residual {
    Serial,
    OneNorm,
    TwoNorms,
}

/// A matrix, or a vector as its only row.
#[derive(Clone)]
struct Matrix {
    rows: usize,
    columns: usize,
    numbers: Vec<f64>,
    is_vector: bool,
}

/// Weights by names of our own: `embedding`, `0.query`, `0.query.bias`, and so on.
type Weights = HashMap<String, Matrix>;

impl Matrix {
    fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.columns..][..self.columns]
    }
}

/// A stream of numbers that depends on its seed only.
struct Random(u64);

impl Random {
    /// About normal, with variance 1.
    fn number(&mut self) -> f64 {
        let uniform = |random: &mut Random| {
            random.0 = random.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random.0 >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        (0..12).map(|_| uniform(self)).sum()
    }
}

impl Spec {
    /// Random weights, each a number that `round` leaves as it is.
    fn weights(&self, seed: u64, round: fn(f64) -> f64) -> Weights {
        let mut make = Make { random: Random(seed), round, weights: Weights::new() };
        make.matrix("embedding", self.vocabulary, self.hidden, 1.0);
        if self.learned_from.is_some() {
            make.matrix("positions", 64, self.hidden, 0.3);
        }
        for layer in 0..self.layers {
            self.layer(layer, &mut make);
        }
        make.norm("final_norm", self.hidden, self.layer_norm);
        if !self.tied {
            make.matrix("head", self.vocabulary, self.hidden, 1.0);
        }
        if self.head_bias {
            make.vector("head.bias", self.vocabulary, 0.0, 0.3);
        }
        make.weights
    }

    fn layer(&self, layer: usize, make: &mut Make) {
        let name = |part: &str| format!("{layer}.{part}");
        let [query, kv] = [self.heads, self.kv_heads].map(|heads| heads * self.head_dim);
        let [bias_in, bias_out, bias_up, bias_down] = self.biases;
        make.norm(&name("attention_norm"), self.hidden, self.layer_norm);
        for (part, rows) in [("query", query), ("key", kv), ("value", kv)] {
            make.linear(&name(part), rows, self.hidden, bias_in);
        }
        if self.head_norm {
            make.norm(&name("query_norm"), self.head_dim, self.layer_norm);
            make.norm(&name("key_norm"), self.head_dim, self.layer_norm);
        }
        make.linear(&name("output"), self.hidden, query, bias_out);
        if self.residual != Residual::OneNorm {
            make.norm(&name("neurons_norm"), self.hidden, self.layer_norm);
        }
        if self.gated {
            make.linear(&name("gate"), self.neurons, self.hidden, bias_up);
        }
        make.linear(&name("up"), self.neurons, self.hidden, bias_up);
        make.linear(&name("down"), self.hidden, self.neurons, bias_down);
    }
}

/// Makes weights one after the other.
struct Make {
    random: Random,
    round: fn(f64) -> f64,
    weights: Weights,
}

impl Make {
    fn linear(&mut self, name: &str, rows: usize, columns: usize, bias: bool) {
        self.matrix(name, rows, columns, 1.2 / (columns as f64).sqrt());
        if bias {
            self.vector(&format!("{name}.bias"), rows, 0.0, 0.2);
        }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) {
        self.vector(name, width, 1.0, 0.2);
        if bias {
            self.vector(&format!("{name}.bias"), width, 0.0, 0.2);
        }
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize, scale: f64) {
        let numbers = self.numbers(rows * columns, 0.0, scale);
        self.weights.insert(name.to_owned(), Matrix { rows, columns, numbers, is_vector: false });
    }

    fn vector(&mut self, name: &str, columns: usize, mean: f64, scale: f64) {
        let numbers = self.numbers(columns, mean, scale);
        self.weights.insert(name.to_owned(), Matrix { rows: 1, columns, numbers, is_vector: true });
    }

    fn numbers(&mut self, count: usize, mean: f64, scale: f64) -> Vec<f64> {
        (0..count).map(|_| (self.round)(mean + scale * self.random.number())).collect()
    }
}
