//! Persimmon (Adept, 2023): squared ReLU, query, key and value of each head fused, a norm on query and key
//! heads, part of each head rotated, biases everywhere but in the head.

use super::{Describe, Family};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, HeadNorm, NormKind,
    NormPlace, Residual,
};
use crate::config::{Config, Heads, RopeDefaults};
use crate::{
    Activation, LayerPart, ModelError, NeuronSources, PerLayer, Rows, TensorRole, TensorSource,
};

const DEFAULT_CONTEXT: usize = 16384;
const DEFAULT_BEGIN: u32 = 1;
const DEFAULT_END: u32 = 2;
const DEFAULT_EPSILON: f32 = 1e-5;
const ROPE: RopeDefaults = RopeDefaults { theta: 25_000.0, part: 0.5 };

#[derive(Debug)]
pub(super) struct Persimmon;

impl Describe for Persimmon {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let hidden = config.size("hidden_size")?;
        // As many key and value heads as heads, always.
        let Heads { heads, kv_heads, head_dim } = config.heads(hidden, "num_attention_heads")?;
        let epsilon = config.epsilon_or("layer_norm_eps", DEFAULT_EPSILON)?;
        let norm = NormKind::Layer { epsilon, affine: true };
        let biases = Biases { into: true, out: true };
        Ok(Architecture {
            family: self.name().to_owned(),
            vocabulary: config.size("vocab_size")?,
            hidden,
            layers: config.layers()?,
            context: config.size_or("max_position_embeddings", DEFAULT_CONTEXT)?,
            embedding: Embedding { width: hidden, learned_positions: None, scale: 1.0 },
            norm,
            norm_place: NormPlace::Before,
            norm_plus_one: false,
            residual: Residual::Serial,
            final_norm: true,
            attention: Attention {
                heads,
                kv_heads,
                head_dim,
                rotary: Some(config.rotary(head_dim, ROPE)?),
                local_rotary: None,
                scale: None,
                softcap: None,
                head_norm: config
                    .flag_or("qk_layernorm", true)?
                    .then_some(HeadNorm { kind: norm, whole: false }),
                window: PerLayer::Same(None),
                biases,
                sinks: false,
                latent: None,
            },
            feed_forward: FeedForwardShape {
                neurons: PerLayer::Same(config.size("intermediate_size")?),
                gated: false,
                activation: config.activation_or("hidden_act", Activation::SquaredRelu)?,
                biases,
            },
            experts: None,
            residual_scale: 1.0,
            head: Head {
                tied: config.flag_or("tie_word_embeddings", false)?,
                bias: false,
                scale: 1.0,
                softcap: None,
            },
            begin_of_text: config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN)),
            end_of_text: config.tokens_or("eos_token_id", &[DEFAULT_END])?,
        })
    }
}

impl Family for Persimmon {
    fn name(&self) -> &'static str {
        "persimmon"
    }

    fn dense(&self, architecture: &Architecture, role: TensorRole) -> TensorSource {
        match role {
            TensorRole::TokenEmbedding => TensorSource::named("model.embed_tokens.weight"),
            TensorRole::FinalNorm(affine) => {
                TensorSource::named(format!("model.final_layernorm.{affine}"))
            }
            TensorRole::Layer(layer, part) => TensorSource {
                rows: Rows::fused(&architecture.attention, part),
                ..TensorSource::named(format!("model.layers.{layer}.{}", in_layer(part)))
            },
            // The head is the only tensor outside; the others are of no Persimmon.
            _ => TensorSource::named("lm_head.weight"),
        }
    }

    fn neurons(&self, _: &Architecture, layer: usize) -> NeuronSources {
        let mlp = |name: &str| TensorSource::named(format!("model.layers.{layer}.mlp.{name}"));
        NeuronSources {
            gate: None,
            up: mlp("dense_h_to_4h.weight"),
            down: mlp("dense_4h_to_h.weight"),
            gate_bias: None,
            up_bias: Some(mlp("dense_h_to_4h.bias")),
        }
    }
}

fn in_layer(part: LayerPart) -> String {
    let module = match part {
        LayerPart::Gate(_) | LayerPart::Up(_) | LayerPart::Down => {
            unreachable!("`neurons` says where the feed-forward lies")
        }
        LayerPart::AttentionNorm(_) => "input_layernorm",
        LayerPart::FeedForwardNorm(_) => "post_attention_layernorm",
        LayerPart::Query(_) | LayerPart::Key(_) | LayerPart::Value(_) => {
            "self_attn.query_key_value"
        }
        LayerPart::Output(_) => "self_attn.dense",
        LayerPart::QueryNorm(_) => "self_attn.q_layernorm",
        LayerPart::KeyNorm(_) => "self_attn.k_layernorm",
        LayerPart::DownBias => "mlp.dense_4h_to_h",
        _ => unreachable!("the family has no such tensor"),
    };
    format!("{module}.{}", part.affine())
}
