//! What one token takes, in bytes and counts: from the plan and what calibration measured.

use crate::plan::{DensePlan, ExpertPlan, NeuronPlan, can_prefetch};
use crate::{DenseCosts, Mode, OpenModel, Plan, RunOptions, Stats};
use flint_bundle::{Bundle, Calibration, LoadsPerToken};
use flint_geometry::ModelShape;
use flint_model::{Architecture, LayerPart, NormPlace, Residual, TensorRole};
use serde::Serialize;

/// One layer of one token.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LayerWork {
    /// Bytes of dense weights that are multiplied.
    pub dense_bytes: f64,
    /// Neurons computed.
    pub predicted: f64,
    /// Neurons whose activation is not zero.
    pub active: f64,
    /// Neurons read.
    pub loaded: f64,
}

/// What a prompt takes beside what a token takes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct PromptWork {
    /// Tokens that go through a layer together.
    pub chunk: usize,
    /// Bytes that a chunk reads where it needs all neurons: what is not held when it begins.
    pub read_bytes: f64,
    /// Weights that each token multiplies, but for neurons.
    pub dense_weights: f64,
    /// Weights of all neurons.
    pub neuron_weights: f64,
    /// How many neurons that are.
    pub neurons: f64,
    /// Share of a layer's experts that a token goes through; 0 in models without.
    pub chosen: f64,
}

/// What a token takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Work {
    /// The layers.
    pub layers: Vec<LayerWork>,
    /// Bytes of the matrix of logits.
    pub head_bytes: f64,
    /// Bytes of one row of a record.
    pub row_bytes: f64,
    /// Rows of a record that only active neurons need.
    pub rows_of_active: f64,
    /// Bytes of a record as read.
    pub record_bytes: f64,
    /// Bytes that are read in order, whatever the token.
    pub streamed_bytes: f64,
    /// Whether anything is predicted.
    pub sparse: bool,
    /// Whether what is chosen for a token are experts: then neurons stand for experts here, and records for all of one.
    pub experts: bool,
    /// Whether reads of a layer can overlap with its attention.
    pub reads_before_attention: bool,
    /// Whether that takes a prediction of its own.
    pub guesses: bool,
    /// Products that are handed to threads, per layer.
    pub calls: f64,
    /// Threads that compute.
    pub threads: f64,
    /// Whether what is read is checked.
    pub checked: bool,
    /// The prompt.
    pub prompt: PromptWork,
}

impl Work {
    /// The work of a run as planned.
    pub(crate) fn of(files: &OpenModel, plan: &Plan, options: &RunOptions, threads: usize) -> Work {
        let (shape, architecture) = (&files.shape(), &files.architecture);
        let layers = shape.layers as usize;
        let costs = DenseCosts::of(files, 1);
        let (body, head) = dense_bytes(&costs);
        let (stride, row) = (shape.record.stride() as f64, shape.record.row_bytes() as f64);
        let neurons = neurons_of(files.records().and_then(Bundle::calibration), shape, plan);
        let streamed = streamed_bytes(&costs, &plan.dense) + exact_stream(plan, stride);
        let serial = architecture.residual == Residual::Serial;
        let all_rows = f64::from(shape.layers) * f64::from(shape.neurons) * stride;
        let sparse = plan.mode == Mode::Sparse;
        let slots = slots_of(plan);
        let before = architecture.norm_place == NormPlace::Before;
        let guesses = can_prefetch(options.guesses, options.ablation, slots as usize)
            && sparse
            && serial
            && before
            && !plan.all_resident;
        let dense_per_layer = body / layers as f64;
        let dense_weights = dense_weights(files);
        if let NeuronPlan::Experts(experts) = &plan.neurons {
            let alone = ExpertWork::of(architecture, experts);
            return Work {
                layers: (0..layers).map(|layer| alone.layer(layer, dense_per_layer)).collect(),
                head_bytes: head,
                row_bytes: alone.bytes,
                record_bytes: alone.bytes,
                streamed_bytes: streamed,
                experts: true,
                calls: 6.0 + 3.0 * alone.used,
                threads: threads as f64,
                checked: options.verify_reads && files.tensors.checked(),
                prompt: alone.prompt(plan.chunk, streamed, dense_weights),
                ..Work::default()
            };
        }
        let in_slots = (slots as f64 * stride).min(all_rows);
        Work {
            layers: neurons
                .into_iter()
                .map(|neurons| LayerWork { dense_bytes: dense_per_layer, ..neurons })
                .collect(),
            head_bytes: head,
            row_bytes: row,
            rows_of_active: (shape.record.rows() - 1) as f64,
            record_bytes: stride,
            streamed_bytes: streamed,
            sparse,
            experts: false,
            reads_before_attention: sparse && (!serial || guesses),
            guesses,
            calls: if sparse { 10.0 } else { 7.0 },
            threads: threads as f64,
            checked: options.verify_reads && files.tensors.checked(),
            prompt: PromptWork {
                chunk: plan.chunk,
                read_bytes: streamed + if sparse { all_rows - in_slots } else { 0.0 },
                dense_weights,
                neuron_weights: all_rows * shape.hidden() as f64 / row,
                neurons: f64::from(shape.layers) * f64::from(shape.neurons),
                chosen: 0.0,
            },
        }
    }
}

/// What the experts of a model are to a token, about: those of all layers are taken as alike.
struct ExpertWork {
    first: usize,
    /// Experts of a layer, and those that a token goes through.
    count: f64,
    used: f64,
    /// Bytes and weights of an expert.
    bytes: f64,
    weights: f64,
    layers: f64,
    /// Share of the experts that have a place in memory.
    held: f64,
}

impl ExpertWork {
    fn of(architecture: &Architecture, plan: &ExpertPlan) -> ExpertWork {
        let experts = architecture.experts.as_ref();
        let (first, neurons) = experts.map_or((0, 0), |it| (it.dense_layers, it.neurons));
        let (count, used) = experts.map_or((1, 0), |it| (it.count, it.routing.used));
        let (slots, all) = plan.slots();
        let bank: u64 = plan.caches.iter().map(|(class, _)| class.bank_bytes).sum();
        ExpertWork {
            first,
            count: count as f64,
            used: used as f64,
            bytes: bank as f64 / all.max(1) as f64,
            weights: 3.0 * neurons as f64 * architecture.hidden as f64,
            layers: (architecture.layers - first) as f64,
            held: slots as f64 / all.max(1) as f64,
        }
    }

    fn layer(&self, layer: usize, dense_bytes: f64) -> LayerWork {
        let predicted = if layer < self.first { 0.0 } else { self.used };
        let loaded = predicted * (1.0 - usual_hit_rate(self.held));
        LayerWork { dense_bytes, predicted, active: predicted, loaded }
    }

    fn prompt(&self, chunk: usize, streamed: f64, dense_weights: f64) -> PromptWork {
        PromptWork {
            chunk,
            read_bytes: streamed + self.layers * self.count * self.bytes * (1.0 - self.held),
            dense_weights,
            neuron_weights: self.layers * self.used * self.weights,
            neurons: self.layers * self.count,
            chosen: self.used / self.count,
        }
    }
}

/// The share of a token's experts that is found in memory with places for a share of all: what replays of published routing
/// traces of three models gave, about (least recently used, 128 tokens of one topic; BigMoeOnEdge, 2026).
fn usual_hit_rate(held: f64) -> f64 {
    const CURVE: [(f64, f64); 8] = [
        (0.0, 0.0),
        (0.06, 0.4),
        (0.12, 0.58),
        (0.19, 0.73),
        (0.25, 0.82),
        (0.375, 0.92),
        (0.5, 0.96),
        (1.0, 1.0),
    ];
    let between = CURVE.windows(2).find(|pair| held <= pair[1].0);
    let Some(&[(from, low), (to, high)]) = between else { return 1.0 };
    low + (high - low) * (held - from) / (to - from)
}

/// Weights of the matrices that each token of a prompt multiplies, but for neurons and logits.
fn dense_weights(files: &OpenModel) -> f64 {
    let architecture = &files.architecture;
    let specs = match files.records() {
        Some(_) => architecture.dense_tensors(),
        None => architecture.all_tensors(),
    };
    let head = architecture.head_matrix();
    let multiplied = specs.into_iter().filter(|spec| {
        let table = matches!(spec.role, TensorRole::TokenEmbedding | TensorRole::Positions);
        let biases = matches!(spec.role, TensorRole::Layer(_, LayerPart::ExpertBias(_)));
        spec.dims.len() > 1 && !table && !biases && spec.role != head
    });
    multiplied.map(|spec| spec.dims.iter().product::<usize>() as f64).sum()
}

impl Work {
    /// The same where this many times as many neurons of each layer are computed and loaded as calibration measured.
    pub(crate) fn scaled(mut self, factor: f64) -> Work {
        for layer in &mut self.layers {
            layer.predicted *= factor;
            layer.active *= factor;
            layer.loaded *= factor;
        }
        self
    }

    /// The same with as many neurons predicted, active and loaded as a run really had.
    pub fn as_done(&self, stats: &Stats) -> Work {
        let mut done = self.clone();
        let scale =
            |actual: f64, pick: fn(&mut LayerWork) -> &mut f64, layers: &mut [LayerWork]| {
                let said: f64 = layers.iter_mut().map(|layer| *pick(layer)).sum();
                let count = layers.len() as f64;
                for layer in layers {
                    // Where nothing was said, all layers have the same.
                    *pick(layer) =
                        if said > 0.0 { *pick(layer) * actual / said } else { actual / count };
                }
            };
        let per_token = &stats.per_token;
        if self.experts {
            scale(per_token.experts, |l| &mut l.predicted, &mut done.layers);
            scale(per_token.experts_loaded, |l| &mut l.loaded, &mut done.layers);
            return done;
        }
        if self.sparse {
            scale(per_token.neurons_predicted, |l| &mut l.predicted, &mut done.layers);
            scale(per_token.neurons_loaded, |l| &mut l.loaded, &mut done.layers);
        }
        scale(per_token.neurons_active, |l| &mut l.active, &mut done.layers);
        done
    }
}

/// Bytes of matrices that every token multiplies: in layers, and for logits.
fn dense_bytes(costs: &DenseCosts) -> (f64, f64) {
    let sum = |for_logits: bool| {
        let some = costs.tensors.iter().filter(|t| t.matrix && t.for_logits == for_logits);
        some.map(|tensor| tensor.rows * tensor.row_bytes).sum::<u64>() as f64
    };
    (sum(false), sum(true))
}

fn streamed_bytes(costs: &DenseCosts, plan: &DensePlan) -> f64 {
    let streamed = costs.tensors.iter().filter(|tensor| plan.streams(tensor.role));
    streamed.map(|tensor| tensor.rows * tensor.row_bytes).sum::<u64>() as f64
}

fn exact_stream(plan: &Plan, stride: f64) -> f64 {
    match &plan.neurons {
        NeuronPlan::Exact(exact) => {
            let (layout, all) = (exact.layout, u64::from(exact.layout.neurons));
            let pinned = |layer| u64::from(exact.pinned_of(layer) * layout.block_neurons).min(all);
            let streamed: u64 = (0..layout.layers).map(|layer| all - pinned(layer)).sum();
            streamed as f64 * stride
        }
        NeuronPlan::Sparse { .. } | NeuronPlan::Experts(_) => 0.0,
    }
}

/// Slots of the cache; none in exact mode.
fn slots_of(plan: &Plan) -> u64 {
    match &plan.neurons {
        NeuronPlan::Exact(_) | NeuronPlan::Experts(_) => 0,
        NeuronPlan::Sparse { config, bytes } => u64::from(config.slots_for(*bytes)),
    }
}

fn neurons_of(
    calibration: Option<&Calibration>,
    shape: &ModelShape,
    plan: &Plan,
) -> Vec<LayerWork> {
    let all = f64::from(shape.neurons);
    let every = LayerWork { predicted: all, active: all, loaded: 0.0, ..LayerWork::default() };
    let layers = shape.layers as usize;
    let NeuronPlan::Sparse { .. } = &plan.neurons else { return vec![every; layers] };
    let Some(found) = calibration.filter(|found| found.groups.len() == layers) else {
        return vec![every; layers];
    };
    let predicted: f64 = found.groups.iter().map(|group| f64::from(group.predicted_mean)).sum();
    let slots = slots_of(plan);
    let loads =
        if plan.all_resident { 0.0 } else { loads_at(&found.loads_per_token, slots, predicted) };
    let layer = |group: &flint_bundle::GroupCalibration| LayerWork {
        predicted: f64::from(group.predicted_mean),
        active: f64::from(group.active_mean * group.recall),
        loaded: loads * f64::from(group.predicted_mean) / predicted.max(1.0),
        ..LayerWork::default()
    };
    found.groups.iter().map(layer).collect()
}

/// The measured curve, straight between its points; without slots everything predicted is loaded.
fn loads_at(curve: &[LoadsPerToken], slots: u64, predicted: f64) -> f64 {
    let mut before = LoadsPerToken { slots: 0, loads: predicted };
    for &point in curve {
        if point.slots >= slots {
            let span = (point.slots - before.slots).max(1) as f64;
            let share = (slots - before.slots) as f64 / span;
            return before.loads + (point.loads - before.loads) * share;
        }
        before = point;
    }
    before.loads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hit_rates_rise_with_what_is_held_and_end_at_one() {
        let rates: Vec<f64> =
            (0..=100).map(|percent| usual_hit_rate(percent as f64 / 100.0)).collect();
        assert!(rates.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((rates[0], rates[12], rates[100]), (0.0, 0.58, 1.0));
        assert_eq!(usual_hit_rate(1.2), 1.0);
    }

    #[test]
    fn loads_follow_the_curve_and_start_at_everything_predicted() {
        let curve = [(100, 50.0), (300, 10.0)].map(|(slots, loads)| LoadsPerToken { slots, loads });
        let at = |slots| loads_at(&curve, slots, 90.0);
        assert_eq!(
            [at(0), at(50), at(100), at(200), at(300), at(999)],
            [90.0, 70.0, 50.0, 30.0, 10.0, 10.0]
        );
        assert_eq!(loads_at(&[], 7, 90.0), 90.0);
    }
}
