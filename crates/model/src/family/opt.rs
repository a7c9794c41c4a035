//! OPT (Meta, 2022): learned positions, layer norms, a plain ReLU feed-forward, biases everywhere.

use super::{Describe, Family};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, LearnedPositions, NormKind,
    NormPlace, Residual,
};
use crate::config::{Config, Heads};
use crate::{
    Activation, Affine, LayerPart, ModelError, NeuronSources, PerLayer, TensorRole, TensorSource,
};

/// The position table has two rows that are never used, from the padding of its training code.
const POSITION_OFFSET: usize = 2;
/// What begins and ends a text when the configuration does not say.
const DEFAULT_SPECIAL: u32 = 2;
const NORM_EPSILON: f32 = 1e-5;

#[derive(Debug)]
pub(super) struct Opt;

impl Describe for Opt {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let hidden = config.size("hidden_size")?;
        // No setting of this family's makes key and value heads fewer.
        let Heads { heads, kv_heads, head_dim } = config.heads(hidden, "num_attention_heads")?;
        let context = config.size("max_position_embeddings")?;
        let before = config.flag_or("do_layer_norm_before", true)?;
        let bias = config.flag_or("enable_bias", true)?;
        let biases = Biases { into: bias, out: bias };
        let affine = config.flag_or("layer_norm_elementwise_affine", true)?;
        Ok(Architecture {
            family: self.name().to_owned(),
            vocabulary: config.size("vocab_size")?,
            hidden,
            layers: config.layers()?,
            context,
            embedding: Embedding {
                width: config.size_or("word_embed_proj_dim", hidden)?,
                learned_positions: Some(LearnedPositions {
                    offset: POSITION_OFFSET,
                    rows: context + POSITION_OFFSET,
                }),
                scale: 1.0,
            },
            norm: NormKind::Layer { epsilon: NORM_EPSILON, affine },
            norm_place: if before { NormPlace::Before } else { NormPlace::After },
            norm_plus_one: false,
            residual: Residual::Serial,
            final_norm: before && !config.flag_or("_remove_final_layer_norm", false)?,
            attention: Attention {
                heads,
                kv_heads,
                head_dim,
                rotary: None,
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
                neurons: PerLayer::Same(config.size("ffn_dim")?),
                gated: false,
                activation: config.activation_or("activation_function", Activation::Relu)?,
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
            begin_of_text: config.token("bos_token_id")?.or(Some(DEFAULT_SPECIAL)),
            end_of_text: config.tokens_or("eos_token_id", &[DEFAULT_SPECIAL])?,
        })
    }
}

impl Family for Opt {
    fn name(&self) -> &'static str {
        "opt"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        match role {
            TensorRole::TokenEmbedding => decoder("embed_tokens.weight"),
            TensorRole::Positions => decoder("embed_positions.weight"),
            TensorRole::ProjectIn => decoder("project_in.weight"),
            TensorRole::ProjectOut => decoder("project_out.weight"),
            TensorRole::FinalNorm(affine) => decoder(&format!("final_layer_norm.{affine}")),
            TensorRole::Head => TensorSource::whole(["lm_head.weight".to_owned()]),
            TensorRole::HeadBias => TensorSource::whole(["lm_head.bias".to_owned()]),
            TensorRole::Layer(layer, part) => {
                decoder(&format!("layers.{layer}.{}", in_layer(part)))
            }
        }
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        let bias = architecture.feed_forward.biases.into;
        NeuronSources {
            gate: None,
            up: decoder(&format!("layers.{layer}.fc1.weight")),
            down: decoder(&format!("layers.{layer}.fc2.weight")),
            gate_bias: None,
            up_bias: bias.then(|| decoder(&format!("layers.{layer}.fc1.bias"))),
        }
    }
}

fn decoder(name: &str) -> TensorSource {
    TensorSource::named(format!("model.decoder.{name}"))
}

fn in_layer(part: LayerPart) -> String {
    let attention = |name: &str, affine: Affine| format!("self_attn.{name}.{affine}");
    match part {
        LayerPart::Gate(_) | LayerPart::Up(_) | LayerPart::Down => {
            unreachable!("`neurons` says where the feed-forward lies")
        }
        LayerPart::AttentionNorm(affine) => format!("self_attn_layer_norm.{affine}"),
        LayerPart::FeedForwardNorm(affine) => format!("final_layer_norm.{affine}"),
        LayerPart::Query(affine) => attention("q_proj", affine),
        LayerPart::Key(affine) => attention("k_proj", affine),
        LayerPart::Value(affine) => attention("v_proj", affine),
        LayerPart::Output(affine) => attention("out_proj", affine),
        LayerPart::QueryNorm(affine) => attention("q_norm", affine),
        LayerPart::KeyNorm(affine) => attention("k_norm", affine),
        LayerPart::DownBias => "fc2.bias".to_owned(),
        _ => unreachable!("the family has no such tensor"),
    }
}
