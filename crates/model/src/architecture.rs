//! Everything that tells one dense decoder-only model from another, as plain data.

use crate::{ModelError, PerLayer, Routing, TensorRole};
use flint_geometry::{DType, ModelShape, RecordLayout};
use flint_kernels::{Activation, RotaryPairs, RotaryScaling};
use serde::{Deserialize, Serialize};

/// The file that every size is from.
const CONFIG: &str = "config.json";

/// A dense decoder-only language model. Sizes are in numbers, not bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Name of the family that this came from.
    pub family: String,
    /// Rows of the token embedding.
    pub vocabulary: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Longest context the model was trained for, in tokens.
    pub context: usize,
    /// From token ids to the first hidden state.
    pub embedding: Embedding,
    /// Which norm is used everywhere.
    pub norm: NormKind,
    /// Whether blocks are normed before or after.
    pub norm_place: NormPlace,
    /// Whether norms multiply by one more than their stored weights (Gemma).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub norm_plus_one: bool,
    /// How a layer adds its two blocks.
    pub residual: Residual,
    /// Whether a norm follows the last layer.
    pub final_norm: bool,
    /// The attention block.
    pub attention: Attention,
    /// The feed-forward block; of a model with experts, that of the layers without.
    pub feed_forward: FeedForwardShape,
    /// The experts of the layers that have some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
    /// What the sums of both blocks are multiplied with before they are added (Granite).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub residual_scale: f32,
    /// From the last hidden state to logits.
    pub head: Head,
    /// Token that begins every text, where the family has one.
    pub begin_of_text: Option<u32>,
    /// Tokens that end a text.
    pub end_of_text: Vec<u32>,
}

/// From token ids to the first hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Width of the token embedding; when it is not the hidden width, it is projected in and out.
    pub width: usize,
    /// Positions that are learned and added, where the family has them.
    pub learned_positions: Option<LearnedPositions>,
    /// Rows of the table are multiplied by this.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f32,
}

/// A table of learned position vectors, as wide as the hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnedPositions {
    /// Row of position 0 (OPT: 2).
    pub offset: usize,
    /// Rows of the table.
    pub rows: usize,
}

/// The norm of a family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum NormKind {
    /// Mean and variance; with a weight and a bias when `affine`.
    Layer {
        /// Added to the variance.
        epsilon: f32,
        /// Whether weight and bias exist.
        affine: bool,
    },
    /// Root of the mean square, with a weight.
    Rms {
        /// Added to the mean square.
        epsilon: f32,
    },
}

/// Where the norms of a layer sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormPlace {
    /// On the input of each block.
    Before,
    /// On the sum after each block (OPT-350m).
    After,
    /// On the input of each block, and on what it gives before that is added (Gemma 2).
    Around,
}

/// How a layer adds its attention and feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Residual {
    /// The feed-forward sees the sum of hidden state and attention.
    Serial,
    /// Both see the same hidden state, through one norm.
    ParallelOneNorm,
    /// Both see the same hidden state, each through a norm of its own.
    ParallelTwoNorms,
}

/// Which linear maps of a block have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Biases {
    /// Into the block: query, key and value; or gate and up.
    pub into: bool,
    /// Out of the block: the output projection; or down.
    pub out: bool,
}

/// The attention block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// Rotary positions, where the family has them.
    pub rotary: Option<RotaryPositions>,
    /// Rotary positions of the layers with a window, where they have their own (Gemma 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_rotary: Option<RotaryPositions>,
    /// What scores are multiplied with; one over the square root of the head size when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Scores are pressed into this range by tanh, where it is given (Gemma 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softcap: Option<f32>,
    /// Norm on each query and key head, where the family has one.
    pub head_norm: Option<HeadNorm>,
    /// How many positions back a row of a layer sees, itself included; all when absent.
    #[serde(default)]
    pub window: PerLayer<Option<usize>>,
    /// Which projections have a bias.
    pub biases: Biases,
    /// Whether each head has a score that takes part in its softmax and has no value (gpt-oss).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sinks: bool,
    /// Keys and values as one vector for all heads, where the family has that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentAttention>,
}

/// A norm over query and key heads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadNorm {
    /// Which norm; always with a weight, and a bias when it is an affine layer norm.
    pub kind: NormKind,
    /// Whether it is over all heads at once (OLMoE), not over each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// Attention over latent vectors: a token stores one vector, from which every head would compute its key and its value. Heads
/// read it in place instead, with queries that are turned into its space ("absorbed"). The stored vector is the latent part,
/// then the rotated part of the key, which all heads share. (DeepSeek-V2, 2024.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatentAttention {
    /// Width of the narrower vector that queries are made from; queries are made from the hidden state when absent.
    pub query: Option<usize>,
    /// Width of the latent part.
    pub width: usize,
    /// Numbers of a head's query that are not rotated.
    pub unrotated: usize,
    /// Numbers of a head's value.
    pub value: usize,
}

/// Rotary positions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RotaryPositions {
    /// How many numbers of each head are rotated; even.
    pub dims: usize,
    /// Base of the angles.
    pub theta: f64,
    /// How angles are stretched for longer contexts.
    pub scale: RotaryScaling,
    /// Which numbers of a head are rotated against each other.
    #[serde(default, skip_serializing_if = "RotaryPairs::is_halves")]
    pub pairs: RotaryPairs,
    /// What each pair's angle is divided by; nothing where they are as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<f32>,
    /// What turned numbers are multiplied by; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnitude: Option<f64>,
    /// Other factors for runs of long contexts (longrope).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongFactors>,
}

/// Factors of angles that count in runs whose context is longer than the model was first trained on.
///
/// Which of the two lists counts is decided once for a run, by its context: keys turned by one cannot be compared with
/// queries turned by the other. (LongRoPE, Ding et al., 2024.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LongFactors {
    /// Context the model was first trained on, in tokens.
    pub original_context: usize,
    /// What each pair's angle is divided by.
    pub factors: Vec<f32>,
}

impl Attention {
    /// Numbers of what a head gives to the output projection.
    pub fn value_width(&self) -> usize {
        self.latent.map_or(self.head_dim, |latent| latent.value)
    }
}

impl RotaryPositions {
    /// Positions of `dims` numbers of a head, not stretched.
    pub fn plain(dims: usize, theta: f64) -> RotaryPositions {
        RotaryPositions {
            dims,
            theta,
            scale: RotaryScaling::None,
            pairs: RotaryPairs::Halves,
            factors: Vec::new(),
            magnitude: None,
            long: None,
        }
    }

    /// What each pair's angle is divided by in a run of `context` tokens.
    pub fn factors_in(&self, context: usize) -> &[f32] {
        match &self.long {
            Some(long) if context > long.original_context => &long.factors,
            _ => &self.factors,
        }
    }
}

/// The feed-forward block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedForwardShape {
    /// Neurons of a layer.
    pub neurons: PerLayer<usize>,
    /// Whether each neuron has a gate row.
    pub gated: bool,
    /// What is applied to the gate (or, without one, to up).
    pub activation: Activation,
    /// Which projections have a bias.
    pub biases: Biases,
}

/// A feed-forward in parts, of which a router chooses some for each row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experts {
    /// Layers before the first one that has experts.
    pub dense_layers: usize,
    /// Experts of a layer.
    pub count: usize,
    /// Neurons of an expert.
    pub neurons: usize,
    /// How they are chosen and weighed.
    pub routing: Routing,
    /// What is applied to the gate.
    pub activation: Activation,
    /// Whether the router has a bias.
    pub router_bias: bool,
    /// Whether there is a bias that only chooses.
    pub selection_bias: bool,
    /// Whether the matrices of experts have biases.
    pub biases: bool,
    /// Neurons of the expert that every row goes through; none when zero.
    pub shared: usize,
}

/// From the last hidden state to logits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Whether the token embedding is used again.
    pub tied: bool,
    /// Whether logits have a bias.
    pub bias: bool,
    /// Logits are multiplied by this.
    pub scale: f32,
    /// Logits are pressed into this range by tanh, where it is given (Gemma 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softcap: Option<f32>,
}

fn one() -> f32 {
    1.0
}

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

impl Architecture {
    /// The sizes that decide bytes, with neurons stored as `element`.
    ///
    /// # Errors
    /// When a size is zero or does not fit in 32 bits, layers differ in their neurons, or neurons are in experts.
    pub fn shape(&self, element: DType) -> Result<ModelShape, ModelError> {
        if self.experts.is_some() {
            return Err(ModelError::ExpertsInBundle);
        }
        let small = |key: &str, value: usize| {
            u32::try_from(value).ok().filter(|&v| v > 0).ok_or_else(|| ModelError::BadValue {
                file: CONFIG,
                key: key.to_owned(),
                expected: "a positive 32-bit number".to_owned(),
                got: value.to_string(),
            })
        };
        let width = small("hidden_size", self.hidden)?;
        let neurons = self.feed_forward.neurons.same().ok_or_else(|| ModelError::BadValue {
            file: CONFIG,
            key: "intermediate_size".to_owned(),
            expected: "the same in all layers".to_owned(),
            got: format!("up to {}", self.most_neurons()),
        })?;
        let record =
            RecordLayout::new(element, width, self.feed_forward.gated).ok_or_else(|| {
                ModelError::BadValue {
                    file: CONFIG,
                    key: "hidden_size".to_owned(),
                    expected: "more than zero".to_owned(),
                    got: "0".to_owned(),
                }
            })?;
        Ok(ModelShape {
            layers: small("num_hidden_layers", self.layers)?,
            neurons: small("intermediate_size", neurons)?,
            vocabulary: small("vocab_size", self.vocabulary)?,
            context: small("max_position_embeddings", self.context)?,
            kv_width: small("num_key_value_heads", self.kv_width())?,
            record,
        })
    }

    /// How many positions back a row of `layer` sees, itself included; all when `None`.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.attention.window.at(layer)
    }

    /// Neurons of `layer`.
    pub fn neurons(&self, layer: usize) -> usize {
        self.feed_forward.neurons.at(layer)
    }

    /// Neurons of the layer that has most.
    pub fn most_neurons(&self) -> usize {
        self.feed_forward.neurons.values().max().unwrap_or(0)
    }

    /// The experts of `layer`, where it has some.
    pub fn experts(&self, layer: usize) -> Option<&Experts> {
        self.experts.as_ref().filter(|experts| layer >= experts.dense_layers)
    }

    /// Width of one layer's keys.
    pub fn kv_width(&self) -> usize {
        self.attention.kv_heads * self.attention.head_dim
    }

    /// Width of one layer's queries, as they are compared with keys.
    pub fn query_width(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// Which matrix turns the last hidden state into logits.
    pub fn head_matrix(&self) -> TensorRole {
        if self.head.tied { TensorRole::TokenEmbedding } else { TensorRole::Head }
    }

    /// The description as JSON text, to be stored and read back by [`Architecture::from_json`].
    pub fn to_json(&self) -> String {
        // Plain numbers, strings and enums always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
