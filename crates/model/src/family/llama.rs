//! Llama 2 and 3 (Meta, 2023), also with ReLU (ReLULLaMA) or a thresholded ReLU (ProSparse) on the gate: RMS
//! norms, rotary positions, a gated feed-forward. Mistral and Qwen start from this description.

use super::{Describe, Family};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, NormKind, NormPlace,
    Residual,
};
use crate::config::{Config, Heads, RopeDefaults};
use crate::{Activation, LayerPart, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource};

const DEFAULT_CONTEXT: usize = 2048;
const DEFAULT_BEGIN: u32 = 1;
const DEFAULT_END: u32 = 2;
const DEFAULT_EPSILON: f32 = 1e-6;

#[derive(Debug)]
pub(super) struct Llama;

impl Describe for Llama {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = base(self.name(), DEFAULT_CONTEXT, config)?;
        let bias = config.flag_or("attention_bias", false)?;
        architecture.attention.biases = Biases { into: bias, out: bias };
        let bias = config.flag_or("mlp_bias", false)?;
        architecture.feed_forward.biases = Biases { into: bias, out: bias };
        architecture.begin_of_text = config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN));
        architecture.end_of_text = config.tokens_or("eos_token_id", &[DEFAULT_END])?;
        Ok(architecture)
    }

    /// What the checkpoints of ProSparse call themselves.
    fn aliases(&self) -> &'static [&'static str] {
        &["sparsellama"]
    }
}

impl Family for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        neurons(architecture, layer)
    }
}

/// What the families of this kind share: no biases, no window, no begin of text. `context` is how far positions
/// go when the configuration does not say.
pub(super) fn base(
    family: &str,
    context: usize,
    config: &Config,
) -> Result<Architecture, ModelError> {
    let hidden = config.size("hidden_size")?;
    let Heads { heads, kv_heads, head_dim } = config.heads(hidden, "num_key_value_heads")?;
    let biases = Biases { into: false, out: false };
    Ok(Architecture {
        family: family.to_owned(),
        vocabulary: config.size("vocab_size")?,
        hidden,
        layers: config.layers()?,
        context: config.size_or("max_position_embeddings", context)?,
        embedding: Embedding { width: hidden, learned_positions: None, scale: 1.0 },
        norm: NormKind::Rms { epsilon: config.epsilon_or("rms_norm_eps", DEFAULT_EPSILON)? },
        norm_place: NormPlace::Before,
        norm_plus_one: false,
        residual: Residual::Serial,
        final_norm: true,
        attention: Attention {
            heads,
            kv_heads,
            head_dim,
            rotary: Some(config.rotary(head_dim, RopeDefaults::default())?),
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
            neurons: PerLayer::Same(config.size("intermediate_size")?),
            gated: true,
            activation: config.activation_or("hidden_act", Activation::Silu)?,
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
        begin_of_text: None,
        end_of_text: config.tokens_or("eos_token_id", &[])?,
    })
}

pub(super) fn dense(role: TensorRole) -> TensorSource {
    TensorSource::named(match role {
        TensorRole::TokenEmbedding => "model.embed_tokens.weight".to_owned(),
        TensorRole::FinalNorm(affine) => format!("model.norm.{affine}"),
        TensorRole::Layer(layer, part) => format!("model.layers.{layer}.{}", in_layer(part)),
        // The head is the only tensor outside; the others are of no such family.
        _ => "lm_head.weight".to_owned(),
    })
}

pub(super) fn neurons(architecture: &Architecture, layer: usize) -> NeuronSources {
    let bias = architecture.feed_forward.biases.into;
    let mlp = |name: &str| TensorSource::named(format!("model.layers.{layer}.mlp.{name}"));
    NeuronSources {
        gate: Some(mlp("gate_proj.weight")),
        up: mlp("up_proj.weight"),
        down: mlp("down_proj.weight"),
        gate_bias: bias.then(|| mlp("gate_proj.bias")),
        up_bias: bias.then(|| mlp("up_proj.bias")),
    }
}

fn in_layer(part: LayerPart) -> String {
    let module = match part {
        LayerPart::Gate(_) | LayerPart::Up(_) | LayerPart::Down => {
            unreachable!("`neurons` says where the feed-forward lies")
        }
        LayerPart::AttentionNorm(_) => "input_layernorm",
        LayerPart::FeedForwardNorm(_) => "post_attention_layernorm",
        LayerPart::Query(_) => "self_attn.q_proj",
        LayerPart::Key(_) => "self_attn.k_proj",
        LayerPart::Value(_) => "self_attn.v_proj",
        LayerPart::Output(_) => "self_attn.o_proj",
        LayerPart::QueryNorm(_) => "self_attn.q_norm",
        LayerPart::KeyNorm(_) => "self_attn.k_norm",
        LayerPart::DownBias => "mlp.down_proj",
        _ => unreachable!("the family has no such tensor"),
    };
    format!("{module}.{}", part.affine())
}
