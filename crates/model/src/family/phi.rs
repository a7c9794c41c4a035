//! Phi-1, Phi-1.5 and Phi-2 (Microsoft, 2023): parallel residual with one norm, part of each head rotated,
//! biases everywhere, the head included.

use super::{Describe, Family};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, HeadNorm, NormKind,
    NormPlace, Residual,
};
use crate::config::{Config, Heads, RopeDefaults};
use crate::{Activation, LayerPart, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource};

const DEFAULT_CONTEXT: usize = 2048;
const DEFAULT_END: u32 = 2;
const DEFAULT_EPSILON: f32 = 1e-5;

#[derive(Debug)]
pub(super) struct Phi;

impl Describe for Phi {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let hidden = config.size("hidden_size")?;
        let Heads { heads, kv_heads, head_dim } = config.heads(hidden, "num_key_value_heads")?;
        let rope = RopeDefaults { part: 0.5, ..RopeDefaults::default() };
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
            residual: Residual::ParallelOneNorm,
            final_norm: true,
            attention: Attention {
                local_rotary: None,
                scale: None,
                softcap: None,
                heads,
                kv_heads,
                head_dim,
                rotary: Some(config.rotary(head_dim, rope)?),
                head_norm: config
                    .flag_or("qk_layernorm", false)?
                    .then_some(HeadNorm { kind: norm, whole: false }),
                window: PerLayer::Same(None),
                biases,
                sinks: false,
                latent: None,
            },
            feed_forward: FeedForwardShape {
                neurons: PerLayer::Same(config.size("intermediate_size")?),
                gated: false,
                activation: config.activation_or("hidden_act", Activation::GeluTanh)?,
                biases,
            },
            experts: None,
            residual_scale: 1.0,
            head: Head {
                tied: config.flag_or("tie_word_embeddings", false)?,
                bias: true,
                scale: 1.0,
                softcap: None,
            },
            begin_of_text: None,
            end_of_text: config.tokens_or("eos_token_id", &[DEFAULT_END])?,
        })
    }
}

impl Family for Phi {
    fn name(&self) -> &'static str {
        "phi"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        TensorSource::named(match role {
            TensorRole::TokenEmbedding => "model.embed_tokens.weight".to_owned(),
            TensorRole::FinalNorm(affine) => format!("model.final_layernorm.{affine}"),
            TensorRole::Layer(layer, part) => format!("model.layers.{layer}.{}", in_layer(part)),
            TensorRole::HeadBias => "lm_head.bias".to_owned(),
            // The head's weight; the others are of no Phi.
            _ => "lm_head.weight".to_owned(),
        })
    }

    fn neurons(&self, _: &Architecture, layer: usize) -> NeuronSources {
        let mlp = |name: &str| TensorSource::named(format!("model.layers.{layer}.mlp.{name}"));
        NeuronSources {
            gate: None,
            up: mlp("fc1.weight"),
            down: mlp("fc2.weight"),
            gate_bias: None,
            up_bias: Some(mlp("fc1.bias")),
        }
    }
}

fn in_layer(part: LayerPart) -> String {
    let module = match part {
        LayerPart::Gate(_) | LayerPart::Up(_) | LayerPart::Down => {
            unreachable!("`neurons` says where the feed-forward lies")
        }
        // One norm serves both blocks.
        LayerPart::AttentionNorm(_) | LayerPart::FeedForwardNorm(_) => "input_layernorm",
        LayerPart::Query(_) => "self_attn.q_proj",
        LayerPart::Key(_) => "self_attn.k_proj",
        LayerPart::Value(_) => "self_attn.v_proj",
        LayerPart::Output(_) => "self_attn.dense",
        LayerPart::QueryNorm(_) => "self_attn.q_layernorm",
        LayerPart::KeyNorm(_) => "self_attn.k_layernorm",
        LayerPart::DownBias => "mlp.fc2",
        _ => unreachable!("the family has no such tensor"),
    };
    format!("{module}.{}", part.affine())
}
