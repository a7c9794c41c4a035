//! The shapes that can be made, and what was published of each: the statistics that its weights are tuned to.

use super::scale::Scale;
use super::sizes::Sizes;
use anyhow::Context;
use flint_model::{Architecture, describe};
use serde_json::{Value, json};

/// A shape, by the name used on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// OPT-6.7B: ReLU, biases, serial blocks.
    Opt,
    /// Falcon-7B, relufied: no biases, parallel blocks, one key and value head.
    Falcon,
    /// Persimmon-8B: squared ReLU, biases, norms on query and key heads.
    Persimmon,
    /// Phi-2, relufied: biases, parallel blocks.
    Phi,
    /// Llama-2-7B as ProSparse left it: a gate with a thresholded ReLU, no biases.
    Llama,
}

/// All of them.
pub const SHAPES: [Shape; 5] =
    [Shape::Opt, Shape::Falcon, Shape::Persimmon, Shape::Phi, Shape::Llama];

/// How activity changes from the first layer to the last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Profile {
    /// As Table 6 of the paper has it for OPT-6.7B (first, middle, last layer and mean), times a factor.
    Rising,
    /// Most in the middle layers, by a quarter above the mean there and below it at the ends.
    Humped,
}

/// The published behaviour of a shape. docs/synthetic-models.md says where each number is from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    /// Mean share of the neurons that are truly active.
    pub(super) activity: f64,
    pub(super) profile: Profile,
    /// Neurons predicted for each active one.
    pub(super) over_prediction: f64,
    /// Share of the active neurons that is predicted.
    pub(super) recall: f64,
    /// Tokens of the window that `load` is for.
    pub(super) window: u32,
    /// Share of all neurons loaded per token with that window.
    pub(super) load: f64,
    /// Share of the activations that the hottest quarter (26 % of the neurons) has.
    pub(super) hot_share: f64,
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let found = SHAPES.into_iter().find(|shape| shape.name() == text);
        let names = SHAPES.map(Shape::name).join(", ");
        found.ok_or_else(|| format!("unknown shape '{text}': expected one of {names}"))
    }
}

impl Shape {
    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Opt => "opt-6.7b",
            Shape::Falcon => "falcon-7b",
            Shape::Persimmon => "persimmon-8b",
            Shape::Phi => "phi-2",
            Shape::Llama => "llama-2-7b",
        }
    }

    /// Sizes of the model as published.
    pub(super) fn sizes(self) -> Sizes {
        let (layers, heads, head_dim, neurons, vocabulary) = match self {
            Shape::Opt => (32, 32, 128, 16384, 50272),
            Shape::Falcon => (32, 71, 64, 18176, 65024),
            Shape::Persimmon => (36, 64, 64, 16384, 262_144),
            Shape::Phi => (32, 32, 80, 10240, 51200),
            Shape::Llama => (32, 32, 128, 11008, 32000),
        };
        Sizes { layers, heads, head_dim, neurons, vocabulary }
    }

    pub(super) fn published(self) -> Published {
        let (activity, over_prediction, window, load) = match self {
            Shape::Opt => (0.033, 3.0, 4, 0.024),
            Shape::Falcon => (0.05, 3.0, 4, 0.031),
            Shape::Persimmon => (0.05, 3.0, 2, 0.058),
            Shape::Phi => (0.12, 2.0, 1, 0.085),
            Shape::Llama => (0.10, 2.0, 2, 0.075),
        };
        let gated = self == Shape::Llama;
        Published {
            activity,
            profile: match self {
                Shape::Opt | Shape::Falcon | Shape::Persimmon => Profile::Rising,
                Shape::Phi | Shape::Llama => Profile::Humped,
            },
            over_prediction,
            recall: 0.95,
            window,
            load,
            hot_share: if gated { 0.7 } else { 0.8 },
        }
    }

    /// The rank of the predictor of a layer at true width, as the paper has it; `None` where every neuron is
    /// computed. `layer` of `layers`, which may be fewer than published.
    pub(super) fn rank(self, layer: usize, layers: usize) -> Option<usize> {
        // Four layers of 32 are sensitive: an eighth, one at least.
        let eighth = ((layers as f64 / 8.0).round() as usize).max(1);
        let last = layer + eighth >= layers;
        let first_middle = (layers - eighth) / 2;
        let middle = (first_middle..first_middle + eighth).contains(&layer);
        match self {
            Shape::Opt => Some(if last { 1024 } else { 128 }),
            Shape::Falcon | Shape::Persimmon => Some(if last { 1152 } else { 256 }),
            Shape::Llama => Some(if middle { 1024 } else { 256 }),
            Shape::Phi => match layer * 8 / layers {
                0 | 1 | 6 => Some(160),
                2 | 5 => Some(480),
                3 | 4 => Some(800),
                _ => None,
            },
        }
    }

    /// What `config.json` would say of a model of these sizes.
    pub(super) fn config(self, sizes: &Sizes) -> Value {
        let hidden = sizes.hidden();
        let common = |model_type: &str, activation: (&str, &str), neurons: &str, context: usize| {
            json!({
                "model_type": model_type,
                "hidden_size": hidden,
                "num_hidden_layers": sizes.layers,
                "num_attention_heads": sizes.heads,
                "vocab_size": sizes.vocabulary,
                "max_position_embeddings": context,
                (activation.0): activation.1,
                (neurons): sizes.neurons,
                "eos_token_id": 2,
            })
        };
        let intermediate = "intermediate_size";
        let (mut config, more) = match self {
            Shape::Opt => (
                common("opt", ("activation_function", "relu"), "ffn_dim", 2048),
                json!({"bos_token_id": 2, "word_embed_proj_dim": hidden}),
            ),
            Shape::Falcon => (
                common("falcon", ("activation", "relu"), "ffn_hidden_size", 2048),
                json!({"multi_query": true, "parallel_attn": true, "bias": false}),
            ),
            Shape::Persimmon => (
                common("persimmon", ("hidden_act", "relu2"), intermediate, 16384),
                json!({"qk_layernorm": true, "rope_theta": 25000.0, "partial_rotary_factor": 0.5}),
            ),
            Shape::Phi => (
                common("phi", ("hidden_act", "relu"), intermediate, 2048),
                json!({"partial_rotary_factor": 0.4}),
            ),
            Shape::Llama => (
                common("llama", ("hidden_act", "fatrelu"), intermediate, 4096),
                json!({"hidden_act_param": 0.01, "rms_norm_eps": 1e-5}),
            ),
        };
        if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
        config
    }
}

/// A shape at a scale: what will be written, layer by layer.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) shape: Shape,
    pub(super) config: Value,
    pub(super) architecture: Architecture,
    pub(super) layers: Vec<LayerTarget>,
}

/// What one layer is tuned to.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerTarget {
    /// Rank of the predictor; `None` where every neuron is computed.
    pub(super) rank: Option<usize>,
    /// Share of the neurons that is truly active.
    pub(super) activity: f64,
    /// Share of the neurons loaded per token.
    pub(super) load: f64,
}

impl Model {
    /// The model that `shape` is at `scale`.
    ///
    /// # Errors
    /// When the model crate does not know such a configuration.
    pub(super) fn new(shape: Shape, scale: Scale) -> anyhow::Result<Model> {
        let (sizes, full) = (scale.apply(&shape.sizes()), shape.sizes());
        let config = shape.config(&sizes);
        let (_, architecture) = describe(config.to_string().as_bytes())
            .with_context(|| format!("{} cannot be described", shape.name()))?;
        let narrower = sizes.hidden() as f64 / full.hidden() as f64;
        let novelty = shape.novelty();
        let layer = |layer: usize| {
            let rank = shape.rank(layer, sizes.layers);
            let rank = rank.map(|rank| scaled_rank(rank, narrower));
            let activity = shape.activity(layer, sizes.layers);
            let load = if rank.is_some() { novelty * shape.fresh(activity) } else { 0.0 };
            LayerTarget { rank, activity, load }
        };
        let layers = (0..sizes.layers).map(layer).collect();
        Ok(Model { shape, config, architecture, layers })
    }

    /// Mean of the layers' activity.
    pub(super) fn activity(&self) -> f64 {
        self.layers.iter().map(|layer| layer.activity).sum::<f64>() / self.layers.len() as f64
    }

    /// Share of all neurons loaded per token.
    pub(super) fn load(&self) -> f64 {
        self.layers.iter().map(|layer| layer.load).sum::<f64>() / self.layers.len() as f64
    }
}

/// A multiple of 16, so that it can be halved into blocks of eight.
fn scaled_rank(rank: usize, narrower: f64) -> usize {
    ((rank as f64 * narrower / 16.0).round() as usize).max(1) * 16
}

/// Activity of OPT-6.7B over its mean: Table 6 has layers 1, 16 and 32 and the mean of all.
const FIRST: f64 = 1.56 / 3.30;
const MIDDLE: f64 = 2.66 / 3.30;
const LAST: f64 = 5.36 / 3.30;
/// With this bend of the second half the mean over 32 layers is 1.
const BEND: f64 = 0.5;

impl Shape {
    /// Share of the neurons of a layer that is active.
    fn activity(self, layer: usize, layers: usize) -> f64 {
        let published = self.published();
        let depth = layer as f64 / (layers.max(2) - 1) as f64;
        published.activity
            * match published.profile {
                Profile::Rising if depth < 0.5 => FIRST + (MIDDLE - FIRST) * 2.0 * depth,
                Profile::Rising => MIDDLE + (LAST - MIDDLE) * libm::pow(2.0 * depth - 1.0, BEND),
                Profile::Humped => 1.0 - 0.25 * libm::cos(2.0 * std::f64::consts::PI * depth),
            }
    }

    /// Share of the neurons that independent tokens, all neurons alike, would load per token.
    fn fresh(self, activity: f64) -> f64 {
        let published = self.published();
        let predicted = activity * published.over_prediction;
        predicted * libm::pow(1.0 - predicted, f64::from(published.window))
    }

    /// What part of that is really loaded, so that the published load comes out over all layers.
    fn novelty(self) -> f64 {
        let layers = self.sizes().layers;
        let predicted = (0..layers).filter(|&layer| self.rank(layer, layers).is_some());
        let fresh: f64 = predicted.map(|layer| self.fresh(self.activity(layer, layers))).sum();
        self.published().load * layers as f64 / fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_means_come_out_at_true_size() {
        for shape in SHAPES {
            let model = Model::new(shape, Scale::FULL).unwrap();
            let published = shape.published();
            let off = |got: f64, wanted: f64| (got / wanted - 1.0).abs();
            assert!(off(model.activity(), published.activity) < 0.03, "{}", model.activity());
            assert!(off(model.load(), published.load) < 1e-6, "{}", model.load());
        }
    }

    #[test]
    fn opt_is_what_table_six_says() {
        let model = Model::new(Shape::Opt, Scale::FULL).unwrap();
        let at = |layer: usize| (model.layers[layer - 1].activity * 1e4).round() / 100.0;
        assert_eq!([at(1), at(32)], [1.56, 5.36]);
        assert!((at(16) - 2.66).abs() < 0.05, "{}", at(16));
        let ranks: Vec<usize> = model.layers.iter().filter_map(|layer| layer.rank).collect();
        assert_eq!((ranks[27], ranks[28], ranks.len()), (128, 1024, 32));
    }
}
