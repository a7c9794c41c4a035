//! The architectures of GGUF files that this version runs.

use super::values::{FILE, absent, required, wrong};
use super::{Metadata, experts, rotary};
use crate::architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, HeadNorm, NormKind,
    NormPlace, Residual, RotaryPositions,
};
use crate::{Activation, ModelError, PerLayer, RotaryPairs, RotaryScaling};

/// How one architecture differs from `llama`.
struct Family {
    name: &'static str,
    pairs: RotaryPairs,
    /// Layer norms with a bias in place of RMS norms.
    layer_norm: bool,
    gated: bool,
    activation: Activation,
    parallel: bool,
    /// Norms around blocks, scaled embeddings, windows in some layers.
    gemma: bool,
}

impl Family {
    const fn llama(name: &'static str, pairs: RotaryPairs) -> Family {
        let activation = Activation::Silu;
        Family {
            name,
            pairs,
            layer_norm: false,
            gated: true,
            activation,
            parallel: false,
            gemma: false,
        }
    }

    const fn gemma(name: &'static str) -> Family {
        Family {
            activation: Activation::GeluTanh,
            gemma: true,
            ..Family::llama(name, RotaryPairs::Halves)
        }
    }

    const fn parallel(name: &'static str, activation: Activation) -> Family {
        let pairs = RotaryPairs::Halves;
        Family {
            name,
            pairs,
            layer_norm: true,
            gated: false,
            activation,
            parallel: true,
            gemma: false,
        }
    }
}

static FAMILIES: [Family; 13] = [
    Family::llama("llama", RotaryPairs::Neighbours),
    Family::llama("qwen2", RotaryPairs::Halves),
    Family::llama("qwen3", RotaryPairs::Halves),
    Family::llama("qwen3moe", RotaryPairs::Halves),
    Family::llama("olmoe", RotaryPairs::Halves),
    Family::llama("granitemoe", RotaryPairs::Neighbours),
    Family::llama("gpt-oss", RotaryPairs::Halves),
    Family::llama("deepseek2", RotaryPairs::Neighbours),
    Family::llama("phi3", RotaryPairs::Halves),
    Family::parallel("phi2", Activation::GeluTanh),
    Family::parallel("falcon", Activation::Gelu),
    Family::gemma("gemma2"),
    Family::gemma("gemma3"),
];

/// Names of the supported architectures.
pub fn supported() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).collect()
}

pub(super) fn read(metadata: &dyn Metadata) -> Result<Architecture, ModelError> {
    let name = metadata.architecture()?;
    let family = FAMILIES.iter().find(|family| family.name == name).ok_or_else(|| {
        ModelError::UnknownFamily { got: name.clone(), supported: supported().join(", ") }
    })?;
    family.describe(metadata)
}

impl Family {
    fn describe(&self, metadata: &dyn Metadata) -> Result<Architecture, ModelError> {
        let has = |tensor: &str| metadata.dims(tensor).is_some();
        let size = |key: &str| required(metadata, key);
        let embedding = metadata.dims("token_embd.weight").unwrap_or_default();
        let &[vocabulary, hidden] = embedding.as_slice() else {
            return Err(ModelError::MissingTensor { tensor: "token_embd.weight".to_owned() });
        };
        let said = metadata.number("embedding_length")?;
        if let Some(said) = said.filter(|&said| said != hidden as u64) {
            return Err(ModelError::BadValue {
                file: FILE,
                key: "embedding_length".to_owned(),
                expected: format!("{hidden}, the width of token_embd.weight"),
                got: said.to_string(),
            });
        }
        let layers = size("block_count")?;
        let two_norms = has("blk.0.attn_norm_2.weight");
        let neurons = metadata.per_layer("feed_forward_length", layers)?;
        let neurons = neurons.ok_or_else(|| absent("feed_forward_length"))?;
        let up_bias = has("blk.0.ffn_up.bias");
        let experts = experts::read(metadata, self.name, layers)?;
        let real = |key: &str| Ok::<_, ModelError>(metadata.real(key)?.map(|value| value as f32));
        Ok(Architecture {
            family: self.name.to_owned(),
            vocabulary,
            hidden,
            layers,
            context: size("context_length")?,
            embedding: Embedding {
                width: hidden,
                learned_positions: None,
                scale: real("embedding_scale")?.unwrap_or(self.embedding_scale(hidden)),
            },
            norm: self.norm(metadata)?,
            norm_place: if self.gemma { NormPlace::Around } else { NormPlace::Before },
            norm_plus_one: false,
            residual: match (self.parallel, two_norms) {
                (true, true) => Residual::ParallelTwoNorms,
                (true, false) => Residual::ParallelOneNorm,
                (false, _) => Residual::Serial,
            },
            final_norm: true,
            attention: self.attention(metadata, hidden, layers)?,
            feed_forward: FeedForwardShape {
                neurons: PerLayer::of(neurons.into_iter().map(|count| count as usize).collect()),
                gated: self.gated,
                activation: self.activation,
                biases: Biases { into: up_bias, out: has("blk.0.ffn_down.bias") },
            },
            experts,
            residual_scale: real("residual_scale")?.unwrap_or(1.0),
            head: Head {
                tied: !has("output.weight"),
                bias: has("output.bias"),
                // Logits are divided by it.
                scale: real("logit_scale")?.map_or(1.0, |scale| 1.0 / scale),
                softcap: self.softcap(metadata, "final_logit_softcapping", 30.0)?,
            },
            begin_of_text: None,
            end_of_text: Vec::new(),
        })
    }

    fn norm(&self, metadata: &dyn Metadata) -> Result<NormKind, ModelError> {
        let key = match self.layer_norm {
            true => "attention.layer_norm_epsilon",
            false => "attention.layer_norm_rms_epsilon",
        };
        let epsilon = metadata.real(key)?.ok_or_else(|| absent(key))? as f32;
        Ok(match self.layer_norm {
            true => NormKind::Layer { epsilon, affine: true },
            false => NormKind::Rms { epsilon },
        })
    }

    fn attention(
        &self,
        metadata: &dyn Metadata,
        hidden: usize,
        layers: usize,
    ) -> Result<Attention, ModelError> {
        let has = |tensor: &str| metadata.dims(tensor).is_some();
        let heads = required(metadata, "attention.head_count")?;
        let kv_heads = metadata.per_layer("attention.head_count_kv", layers)?;
        let kv_heads = match kv_heads.as_deref() {
            None => heads,
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => *first as usize,
            Some(_) => return Err(wrong("attention.head_count_kv", "the same in all layers")),
        };
        let head_dim = match metadata.number("attention.key_length")? {
            Some(length) => length as usize,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        let latent = experts::latent(metadata)?;
        let values = metadata.number("attention.value_length")?;
        if latent.is_none() && values.is_some_and(|length| length as usize != head_dim) {
            return Err(wrong("attention.value_length", "the length of keys"));
        }
        let norm = self.norm(metadata)?;
        let rotary = self.rotary(metadata, head_dim)?;
        let scale = match metadata.real("attention.scale")? {
            Some(scale) => Some(scale as f32),
            None if latent.is_some() => Some(latent_scale(metadata)?),
            None => self.scale(hidden, heads, head_dim, layers),
        };
        Ok(Attention {
            heads,
            kv_heads,
            head_dim,
            rotary: Some(rotary),
            local_rotary: self.local_rotary(metadata, head_dim)?,
            scale,
            softcap: self.softcap(metadata, "attn_logit_softcapping", 50.0)?,
            head_norm: has("blk.0.attn_q_norm.weight")
                .then_some(HeadNorm { kind: norm, whole: self.name == "olmoe" }),
            window: self.windows(metadata, layers)?,
            biases: Biases {
                into: has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"),
                out: has("blk.0.attn_output.bias"),
            },
            sinks: has("blk.0.attn_sinks.weight"),
            latent,
        })
    }

    fn rotary(
        &self,
        metadata: &dyn Metadata,
        head_dim: usize,
    ) -> Result<RotaryPositions, ModelError> {
        let dims = metadata.number("rope.dimension_count")?.unwrap_or(head_dim as u64) as usize;
        let theta = metadata.real("rope.freq_base")?.unwrap_or(10_000.0);
        let plain = RotaryPositions { pairs: self.pairs, ..RotaryPositions::plain(dims, theta) };
        let mut positions = rotary::stretched(metadata, plain)?;
        match (self.name, &mut positions.scale) {
            // Where its blending begins and ends is no whole pair, which files do not say.
            ("gpt-oss", RotaryScaling::Yarn { rounded, .. }) => *rounded = false,
            // It stands in the scale of the scores instead.
            ("deepseek2", RotaryScaling::Yarn { .. }) => positions.magnitude = None,
            _ => {}
        }
        Ok(positions)
    }
}

/// What scores of latent attention are multiplied with: one over the square root of a head's key, times what YaRN adds where
/// positions are stretched.
fn latent_scale(metadata: &dyn Metadata) -> Result<f32, ModelError> {
    let keys = required(metadata, "attention.key_length_mla")? as f64;
    let factor = metadata.real("rope.scaling.factor")?.unwrap_or(1.0).max(1.0);
    let weight = metadata.real("rope.scaling.yarn_log_multiplier")?.unwrap_or(0.0);
    let stretched = weight.mul_add(factor.ln(), 1.0);
    Ok((stretched * stretched / keys.sqrt()) as f32)
}

/// What Gemma files leave to whoever reads them.
impl Family {
    fn embedding_scale(&self, hidden: usize) -> f32 {
        if self.gemma { (hidden as f32).sqrt() } else { 1.0 }
    }

    /// A limit of Gemma 2, by its default where the file does not say.
    fn softcap(
        &self,
        metadata: &dyn Metadata,
        key: &str,
        default: f64,
    ) -> Result<Option<f32>, ModelError> {
        if self.name != "gemma2" {
            return Ok(None);
        }
        Ok(Some(metadata.real(key)?.unwrap_or(default) as f32))
    }

    /// Gemma 2 and gpt-oss have windows in every other layer, Gemma 3 in five of six. No other family has one here: files of Mistral
    /// do not name theirs, and that which files of Phi-3 name is not applied by llama.cpp either.
    fn windows(
        &self,
        metadata: &dyn Metadata,
        layers: usize,
    ) -> Result<PerLayer<Option<usize>>, ModelError> {
        let period = match self.name {
            "gemma2" | "gpt-oss" => 2,
            "gemma3" => 6,
            _ => return Ok(PerLayer::Same(None)),
        };
        let window = required(metadata, "attention.sliding_window")?;
        let of_layer = |layer: usize| (layer % period < period - 1).then_some(window);
        Ok(PerLayer::of((0..layers).map(of_layer).collect()))
    }

    /// Gemma 3 rotates layers with a window by the angles of its first version.
    fn local_rotary(
        &self,
        metadata: &dyn Metadata,
        head_dim: usize,
    ) -> Result<Option<RotaryPositions>, ModelError> {
        if self.name != "gemma3" {
            return Ok(None);
        }
        let theta = metadata.real("rope.freq_base_swa")?.unwrap_or(10_000.0);
        let global = self.rotary(metadata, head_dim)?;
        Ok(Some(RotaryPositions { theta, scale: RotaryScaling::None, magnitude: None, ..global }))
    }

    /// The 27 B models scale by the width of a head in the hidden state, which is not that of their heads.
    fn scale(&self, hidden: usize, heads: usize, head_dim: usize, layers: usize) -> Option<f32> {
        let large = match self.name {
            "gemma2" => layers == 46,
            "gemma3" => layers == 62,
            _ => false,
        };
        let width = if large { hidden / heads.max(1) } else { head_dim };
        self.gemma.then(|| (1.0 / (width as f64).sqrt()) as f32)
    }
}
