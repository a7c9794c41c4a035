//! Gemma 2 and the text model of Gemma 3 (Google, 2024 and 2025): norms around both blocks that multiply by one more
//! than their weights, windows on some layers, scaled embeddings; soft caps in the one, norms on heads and angles of
//! their own for layers with a window in the other.

use super::{Describe, Family, llama};
use crate::architecture::{HeadNorm, NormPlace};
use crate::config::{Config, RopeDefaults};
use crate::{
    Activation, Architecture, LayerPart, ModelError, NeuronSources, PerLayer, RotaryPositions,
    TensorRole, TensorSource,
};

/// What the configuration classes assume.
const DEFAULT_CONTEXT: [usize; 2] = [8192, 131_072];
const DEFAULT_WINDOW: usize = 4096;
const DEFAULT_HEAD_DIM: usize = 256;
const DEFAULT_SCALAR: f64 = 256.0;
const DEFAULT_BEGIN: u32 = 2;
const DEFAULT_END: u32 = 1;
const DEFAULT_SCORE_CAP: f64 = 50.0;
const DEFAULT_LOGIT_CAP: f64 = 30.0;
const DEFAULT_THETA: f64 = 1_000_000.0;
const DEFAULT_LOCAL_THETA: f64 = 10_000.0;

#[derive(Debug)]
pub(super) struct Gemma2;

#[derive(Debug)]
pub(super) struct Gemma3;

impl Describe for Gemma2 {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = base(self.name(), DEFAULT_CONTEXT[0], config)?;
        architecture.attention.softcap =
            cap(config, "attn_logit_softcapping", Some(DEFAULT_SCORE_CAP))?;
        architecture.head.softcap =
            cap(config, "final_logit_softcapping", Some(DEFAULT_LOGIT_CAP))?;
        architecture.attention.window = windows(config, architecture.layers, 2)?;
        Ok(architecture)
    }
}

impl Describe for Gemma3 {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let (global, local) = rotaries(config)?;
        let mut architecture = base(self.name(), DEFAULT_CONTEXT[1], config)?;
        architecture.attention.softcap = cap(config, "attn_logit_softcapping", None)?;
        architecture.head.softcap = cap(config, "final_logit_softcapping", None)?;
        architecture.attention.head_norm = Some(HeadNorm { kind: architecture.norm, whole: false });
        architecture.attention.rotary = Some(global);
        architecture.attention.local_rotary = Some(local);
        let period = config.size_or("sliding_window_pattern", 6)?;
        let period = config.size_or("_sliding_window_pattern", period)?;
        architecture.attention.window = windows(config, architecture.layers, period)?;
        config.refuse_flag("use_bidirectional_attention", "attention to what follows")?;
        Ok(architecture)
    }
}

/// What both have in common.
fn base(family: &str, context: usize, config: &Config) -> Result<Architecture, ModelError> {
    let config = config.with_default("head_dim", DEFAULT_HEAD_DIM.into());
    // Its rotary is read by whoever knows which layers it is for.
    let config = config.without("rope_parameters");
    let mut architecture = llama::base(family, context, &config)?;
    config.refuse_flag("attention_bias", "a bias in Gemma's attention")?;
    architecture.embedding.scale = (architecture.hidden as f32).sqrt();
    architecture.norm_place = NormPlace::Around;
    architecture.norm_plus_one = true;
    architecture.head.tied = config.flag_or("tie_word_embeddings", true)?;
    // The older name stands beside it with another value in some checkpoints, and does not count.
    architecture.feed_forward.activation =
        config.activation_or("hidden_activation", Activation::GeluTanh)?;
    let scalar = config.number_or_absent("query_pre_attn_scalar")?.unwrap_or(DEFAULT_SCALAR);
    architecture.attention.scale = Some((1.0 / scalar.sqrt()) as f32);
    architecture.begin_of_text = config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN));
    architecture.end_of_text = config.tokens_or("eos_token_id", &[DEFAULT_END])?;
    Ok(architecture)
}

/// A limit that null switches off.
fn cap(config: &Config, key: &str, default: Option<f64>) -> Result<Option<f32>, ModelError> {
    let default = default.filter(|_| !config.mentions(key));
    Ok(config.number_or_absent(key)?.or(default).map(|number| number as f32))
}

/// Every layer but each `period`-th has a window, where no list says which.
fn windows(
    config: &Config,
    layers: usize,
    period: usize,
) -> Result<PerLayer<Option<usize>>, ModelError> {
    let window = config.size_or("sliding_window", DEFAULT_WINDOW)?;
    let listed = config.windowed_layers(layers)?;
    let windowed =
        listed.unwrap_or_else(|| (1..=layers).map(|layer| !layer.is_multiple_of(period)).collect());
    Ok(PerLayer::of(windowed.into_iter().map(|here| here.then_some(window)).collect()))
}

/// The rotary of layers that see everything, and that of layers with a window.
fn rotaries(config: &Config) -> Result<(RotaryPositions, RotaryPositions), ModelError> {
    let head_dim = config.size_or("head_dim", DEFAULT_HEAD_DIM)?;
    let defaults = |theta| RopeDefaults { theta, ..RopeDefaults::default() };
    if let Some(kinds) = config.section("rope_parameters")? {
        let of = |kind: &str, theta| {
            let section = kinds.section(kind)?;
            let inside = section.map(|section| section.under("rope_parameters"));
            inside
                .unwrap_or_else(|| config.without("rope_parameters"))
                .rotary(head_dim, defaults(theta))
        };
        return Ok((
            of("full_attention", DEFAULT_THETA)?,
            of("sliding_attention", DEFAULT_LOCAL_THETA)?,
        ));
    }
    let global = config.rotary(head_dim, defaults(DEFAULT_THETA))?;
    let theta = config.number_or_absent("rope_local_base_freq")?.unwrap_or(DEFAULT_LOCAL_THETA);
    let local = RotaryPositions { theta, scale: crate::RotaryScaling::None, ..global.clone() };
    Ok((global, local))
}

impl Family for Gemma2 {
    fn name(&self) -> &'static str {
        "gemma2"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}

impl Family for Gemma3 {
    fn name(&self) -> &'static str {
        "gemma3_text"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        dense(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}

/// The norms have names of their own; the one that Llama calls so is on what the attention gives.
fn dense(role: TensorRole) -> TensorSource {
    let TensorRole::Layer(layer, part) = role else { return llama::dense(role) };
    let norm = match part {
        LayerPart::AttentionOutputNorm(_) => "post_attention_layernorm",
        LayerPart::FeedForwardNorm(_) => "pre_feedforward_layernorm",
        LayerPart::FeedForwardOutputNorm(_) => "post_feedforward_layernorm",
        _ => return llama::dense(role),
    };
    TensorSource::named(format!("model.layers.{layer}.{norm}.{}", part.affine()))
}
