//! Falcon (TII, 2023): parallel attention and feed-forward, query, key and value fused in one matrix.
//!
//! The 7B layout has one key and value head and one norm per layer; the 40B layout ("new decoder
//! architecture") has several, interleaved with the query heads that share them, and two norms. Checkpoints from
//! before the family had its name call these layouts `RefinedWebModel` and `RefinedWeb`.

use super::{Describe, Family};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, NormKind, NormPlace,
    Residual,
};
use crate::config::{Config, Heads, RopeDefaults};
use crate::{
    Activation, LayerPart, ModelError, NeuronSources, PerLayer, Rows, TensorRole, TensorSource,
};

const DEFAULT_CONTEXT: usize = 2048;
const DEFAULT_SPECIAL: u32 = 11;
const DEFAULT_EPSILON: f32 = 1e-5;

/// How the first checkpoints call themselves: the 7B layout, and the 40B one.
const OLD_TYPES: [&str; 2] = ["RefinedWebModel", "RefinedWeb"];

/// What their settings are called since.
const OLD_KEYS: [(&str, &str); 3] = [
    ("n_layer", "num_hidden_layers"),
    ("n_head", "num_attention_heads"),
    ("n_head_kv", "num_kv_heads"),
];

#[derive(Debug)]
pub(super) struct Falcon;

impl Describe for Falcon {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let config = &config.renamed(&OLD_KEYS);
        config.refuse_flag("alibi", "attention with linear biases")?;
        let after_norm = "apply_residual_connection_post_layernorm";
        config.refuse_flag(after_norm, "a residual that starts after the norm")?;
        let hidden = config.size("hidden_size")?;
        let new = config.text("model_type")? == OLD_TYPES[1];
        let new = config.flag_or("new_decoder_architecture", new)?;
        let heads = heads(config, hidden, new)?;
        let bias = config.flag_or("bias", false)?;
        let biases = Biases { into: bias, out: bias };
        Ok(Architecture {
            family: self.name().to_owned(),
            vocabulary: config.size("vocab_size")?,
            hidden,
            layers: config.layers()?,
            context: config.size_or("max_position_embeddings", DEFAULT_CONTEXT)?,
            embedding: Embedding { width: hidden, learned_positions: None, scale: 1.0 },
            norm: NormKind::Layer {
                epsilon: config.epsilon_or("layer_norm_epsilon", DEFAULT_EPSILON)?,
                affine: true,
            },
            norm_place: NormPlace::Before,
            norm_plus_one: false,
            residual: residual(config, new)?,
            final_norm: true,
            attention: Attention {
                heads: heads.heads,
                kv_heads: heads.kv_heads,
                head_dim: heads.head_dim,
                rotary: Some(config.rotary(heads.head_dim, RopeDefaults::default())?),
                local_rotary: None,
                scale: None,
                softcap: None,
                head_norm: None,
                window: PerLayer::Same(None),
                biases,
                sinks: false,
                latent: None,
            },
            feed_forward: FeedForwardShape {
                neurons: PerLayer::Same(config.size_or("ffn_hidden_size", 4 * hidden)?),
                gated: false,
                activation: config.activation_or("activation", Activation::Gelu)?,
                biases,
            },
            experts: None,
            residual_scale: 1.0,
            head: Head {
                tied: config.flag_or("tie_word_embeddings", true)?,
                bias: false,
                scale: 1.0,
                softcap: None,
            },
            begin_of_text: None,
            end_of_text: config.tokens_or("eos_token_id", &[DEFAULT_SPECIAL])?,
        })
    }

    fn aliases(&self) -> &'static [&'static str] {
        &OLD_TYPES
    }
}

/// `num_kv_heads` counts in the new layout only: the old one has one key and value head or all.
fn heads(config: &Config, hidden: usize, new: bool) -> Result<Heads, ModelError> {
    if new {
        return config.heads(hidden, "num_kv_heads");
    }
    let all = config.heads(hidden, "num_attention_heads")?;
    let multi_query = config.flag_or("multi_query", true)?;
    Ok(Heads { kv_heads: if multi_query { 1 } else { all.kv_heads }, ..all })
}

fn residual(config: &Config, new: bool) -> Result<Residual, ModelError> {
    const NORMS: &str = "num_ln_in_parallel_attn";
    if !new {
        let parallel = config.flag_or("parallel_attn", true)?;
        return Ok(if parallel { Residual::ParallelOneNorm } else { Residual::Serial });
    }
    match config.size_or(NORMS, 2)? {
        1 => Ok(Residual::ParallelOneNorm),
        2 => Ok(Residual::ParallelTwoNorms),
        other => Err(config.bad(NORMS, "1 or 2", &other.into())),
    }
}

impl Family for Falcon {
    fn name(&self) -> &'static str {
        "falcon"
    }

    fn dense(&self, architecture: &Architecture, role: TensorRole) -> TensorSource {
        match role {
            TensorRole::TokenEmbedding => named("word_embeddings.weight"),
            TensorRole::FinalNorm(affine) => named(&format!("ln_f.{affine}")),
            TensorRole::Layer(layer, part) => TensorSource {
                rows: Rows::fused(&architecture.attention, part),
                ..named(&format!("h.{layer}.{}", in_layer(architecture, part)))
            },
            // The head is the only tensor outside; the others are of no Falcon.
            _ => TensorSource::named("lm_head.weight"),
        }
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        let bias = architecture.feed_forward.biases.into;
        let mlp = |name: &str| named(&format!("h.{layer}.mlp.{name}"));
        NeuronSources {
            gate: None,
            up: mlp("dense_h_to_4h.weight"),
            down: mlp("dense_4h_to_h.weight"),
            gate_bias: None,
            up_bias: bias.then(|| mlp("dense_h_to_4h.bias")),
        }
    }
}

fn named(name: &str) -> TensorSource {
    TensorSource::named(format!("transformer.{name}"))
}

fn in_layer(architecture: &Architecture, part: LayerPart) -> String {
    let two_norms = architecture.residual == Residual::ParallelTwoNorms;
    let module = match part {
        LayerPart::AttentionNorm(_) if two_norms => "ln_attn",
        LayerPart::AttentionNorm(_) => "input_layernorm",
        LayerPart::FeedForwardNorm(_) if two_norms => "ln_mlp",
        LayerPart::FeedForwardNorm(_) => "post_attention_layernorm",
        LayerPart::Output(_) => "self_attention.dense",
        LayerPart::DownBias => "mlp.dense_4h_to_h",
        _ => "self_attention.query_key_value",
    };
    format!("{module}.{}", part.affine())
}
