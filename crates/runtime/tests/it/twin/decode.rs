//! The decoder: every token of the text anew, sums in plain order.

use super::{Matrix, Residual, Spec, Weights};

/// Logits after each of `ids`.
pub(super) fn logits(spec: &Spec, weights: &Weights, ids: &[u32]) -> Vec<Vec<f64>> {
    let model = Model { spec, weights };
    let mut hidden: Vec<Vec<f64>> = ids
        .iter()
        .enumerate()
        .map(|(position, &id)| {
            let token = weights["embedding"].row(id as usize);
            match spec.learned_from {
                Some(from) => add(token, weights["positions"].row(from + position)),
                None => token.to_vec(),
            }
        })
        .collect();
    for layer in 0..spec.layers {
        hidden = model.layer(layer, hidden);
    }
    let head = if spec.tied { &weights["embedding"] } else { &weights["head"] };
    let logits = |hidden: &Vec<f64>| {
        let last = model.norm("final_norm", hidden);
        let logits: Vec<f64> = (0..head.rows).map(|row| dot(head.row(row), &last)).collect();
        match weights.get("head.bias") {
            Some(bias) => add(&logits, &bias.numbers),
            None => logits,
        }
    };
    hidden.iter().map(logits).collect()
}

struct Model<'a> {
    spec: &'a Spec,
    weights: &'a Weights,
}

impl Model<'_> {
    fn layer(&self, layer: usize, hidden: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let name = |part: &str| format!("{layer}.{part}");
        let norm_all = |part: &str, rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            rows.iter().map(|row| self.norm(&name(part), row)).collect()
        };
        let input = norm_all("attention_norm", &hidden);
        let attention = self.attention(layer, &input);
        let sum: Vec<Vec<f64>> = hidden.iter().zip(&attention).map(|(h, a)| add(h, a)).collect();
        let input = match self.spec.residual {
            Residual::Serial => norm_all("neurons_norm", &sum),
            Residual::OneNorm => input,
            Residual::TwoNorms => norm_all("neurons_norm", &hidden),
        };
        sum.iter().zip(&input).map(|(sum, input)| add(sum, &self.neurons(layer, input))).collect()
    }

    fn neurons(&self, layer: usize, input: &[f64]) -> Vec<f64> {
        let up = self.linear(&format!("{layer}.up"), input);
        let acts: Vec<f64> = if self.spec.gated {
            let gate = self.linear(&format!("{layer}.gate"), input);
            gate.iter().zip(up).map(|(&gate, up)| (self.spec.activation)(gate) * up).collect()
        } else {
            up.into_iter().map(self.spec.activation).collect()
        };
        self.linear(&format!("{layer}.down"), &acts)
    }

    fn attention(&self, layer: usize, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let spec = self.spec;
        let name = |part: &str| format!("{layer}.{part}");
        // Heads of each position.
        let heads = |part: &str, norm: Option<&str>| -> Vec<Vec<Vec<f64>>> {
            let turned = |(position, row): (usize, &Vec<f64>)| {
                let all = self.linear(&name(part), row);
                let each = all.chunks(spec.head_dim).map(|head| match norm {
                    Some(norm) => {
                        let normed = spec.head_norm.then(|| self.norm(&name(norm), head));
                        self.rotate(normed.unwrap_or(head.to_vec()), position)
                    }
                    None => head.to_vec(),
                });
                each.collect()
            };
            input.iter().enumerate().map(turned).collect()
        };
        let query = heads("query", Some("query_norm"));
        let key = heads("key", Some("key_norm"));
        let value = heads("value", None);
        let mix = |position: usize| {
            let first = (position + 1).saturating_sub(spec.window);
            let mixed: Vec<f64> = (0..spec.heads)
                .flat_map(|head| {
                    let kv = head / (spec.heads / spec.kv_heads);
                    let query = &query[position][head];
                    let seen = first..=position;
                    let scores: Vec<f64> = seen
                        .clone()
                        .map(|at| dot(query, &key[at][kv]) / (spec.head_dim as f64).sqrt())
                        .collect();
                    let total: f64 = scores.iter().map(|score| score.exp()).sum();
                    let mut out = vec![0.0; spec.head_dim];
                    for (at, score) in seen.zip(scores) {
                        let share = score.exp() / total;
                        out = out.iter().zip(&value[at][kv]).map(|(o, v)| o + share * v).collect();
                    }
                    out
                })
                .collect();
            self.linear(&name("output"), &mixed)
        };
        (0..input.len()).map(mix).collect()
    }

    /// The first half of the rotated numbers pairs with the second.
    fn rotate(&self, mut head: Vec<f64>, position: usize) -> Vec<f64> {
        let pairs = self.spec.rotated / 2;
        for pair in 0..pairs {
            let angle = position as f64 * (self.spec.frequency)(pair, pairs);
            let (x, y) = (head[pair], head[pair + pairs]);
            head[pair] = x * angle.cos() - y * angle.sin();
            head[pair + pairs] = y * angle.cos() + x * angle.sin();
        }
        head
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let count = row.len() as f64;
        let mean = if self.spec.layer_norm { row.iter().sum::<f64>() / count } else { 0.0 };
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        let scale = 1.0 / (variance + self.spec.epsilon).sqrt();
        let weight = &self.weights[name].numbers;
        let scaled: Vec<f64> =
            row.iter().zip(weight).map(|(x, weight)| (x - mean) * scale * weight).collect();
        self.biased(name, scaled)
    }

    fn linear(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let matrix: &Matrix = &self.weights[name];
        self.biased(name, (0..matrix.rows).map(|row| dot(matrix.row(row), input)).collect())
    }

    fn biased(&self, name: &str, numbers: Vec<f64>) -> Vec<f64> {
        match self.weights.get(&format!("{name}.bias")) {
            Some(bias) => add(&numbers, &bias.numbers),
            None => numbers,
        }
    }
}

fn add(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(l, r)| l + r).collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}
