//! Families with experts, as Llama and Qwen3 but for the feed-forward: Mixtral (Mistral AI, 2023), OLMoE (AI2, 2024), Granite
//! MoE (IBM, 2024), Qwen3-MoE (Alibaba, 2025).

use super::{Describe, Family, llama, qwen2};
use crate::architecture::{Architecture, Biases, Experts, HeadNorm};
use crate::config::Config;
use crate::routing::{Routing, Scores};
use crate::{
    Activation, LayerPart, ModelError, NeuronSources, PerLayer, Projection, TensorRole,
    TensorSource,
};

const DEFAULT_CONTEXT: usize = 4096;
const DEFAULT_BEGIN: u32 = 1;
const DEFAULT_END: u32 = 2;

#[derive(Debug)]
pub(super) struct Mixtral;

#[derive(Debug)]
pub(super) struct Olmoe;

#[derive(Debug)]
pub(super) struct GraniteMoe;

#[derive(Debug)]
pub(super) struct Qwen3Moe;

/// Experts of `neurons` neurons that are chosen by a softmax over all.
fn experts(
    config: &Config,
    count: &str,
    neurons: usize,
    divided: bool,
) -> Result<Option<Experts>, ModelError> {
    Ok(Some(Experts {
        dense_layers: 0,
        count: config.size(count)?,
        neurons,
        routing: Routing {
            used: config.size("num_experts_per_tok")?,
            scores: Scores::Softmax,
            groups: None,
            divided: divided.then_some(0.0),
            scale: 1.0,
        },
        activation: config.activation_or("hidden_act", Activation::Silu)?,
        router_bias: false,
        selection_bias: false,
        biases: false,
        shared: 0,
    }))
}

impl Describe for Mixtral {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, config)?;
        let window = config.size_or_absent("sliding_window")?;
        architecture.attention.window = PerLayer::Same(window);
        let neurons = config.size("intermediate_size")?;
        architecture.experts = experts(config, "num_local_experts", neurons, true)?;
        architecture.begin_of_text = config.token("bos_token_id")?.or(Some(DEFAULT_BEGIN));
        architecture.end_of_text = config.tokens_or("eos_token_id", &[DEFAULT_END])?;
        Ok(architecture)
    }
}

impl Describe for Olmoe {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        config.refuse("clip_qkv", "clipped queries, keys and values")?;
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, config)?;
        let bias = config.flag_or("attention_bias", false)?;
        architecture.attention.biases = Biases { into: bias, out: bias };
        let kind = architecture.norm;
        architecture.attention.head_norm = Some(HeadNorm { kind, whole: true });
        let (neurons, divided) =
            (config.size("intermediate_size")?, config.flag_or("norm_topk_prob", false)?);
        architecture.experts = experts(config, "num_experts", neurons, divided)?;
        Ok(architecture)
    }
}

impl Describe for GraniteMoe {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = llama::base(self.name(), DEFAULT_CONTEXT, config)?;
        let bias = config.flag_or("attention_bias", false)?;
        architecture.attention.biases = Biases { into: bias, out: bias };
        let factor = |key| Ok::<_, ModelError>(config.number_or_absent(key)?.unwrap_or(1.0));
        architecture.embedding.scale = factor("embedding_multiplier")? as f32;
        architecture.residual_scale = factor("residual_multiplier")? as f32;
        architecture.attention.scale = Some(factor("attention_multiplier")? as f32);
        architecture.head.scale = (1.0 / factor("logits_scaling")?) as f32;
        let neurons = config.size("intermediate_size")?;
        let mut own = experts(config, "num_local_experts", neurons, false)?;
        if let Some(experts) = &mut own {
            experts.routing.scores = Scores::SoftmaxOfChosen;
        }
        architecture.experts = own;
        Ok(architecture)
    }
}

impl Describe for Qwen3Moe {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError> {
        let mut architecture = llama::base(self.name(), qwen2::DEFAULT_CONTEXT, config)?;
        let bias = config.flag_or("attention_bias", false)?;
        architecture.attention.biases = Biases { into: bias, out: bias };
        let kind = architecture.norm;
        architecture.attention.head_norm = Some(HeadNorm { kind, whole: false });
        architecture.attention.window = qwen2::windows(config, architecture.layers)?;
        config.refuse_list("mlp_only_layers", "layers without experts among those with")?;
        if config.size_or("decoder_sparse_step", 1)? != 1 {
            return Err(config.bad("decoder_sparse_step", "1", &"another".into()));
        }
        let (neurons, divided) =
            (config.size("moe_intermediate_size")?, config.flag_or("norm_topk_prob", false)?);
        architecture.experts = experts(config, "num_experts", neurons, divided)?;
        Ok(architecture)
    }
}

/// Where an expert's matrix lies in checkpoints that name them as Qwen and OLMoE do.
fn by_name(role: TensorRole) -> TensorSource {
    let TensorRole::Layer(layer, part) = role else { return llama::dense(role) };
    let mlp = |name: String| TensorSource::named(format!("model.layers.{layer}.mlp.{name}"));
    match part {
        LayerPart::Router(affine) => mlp(format!("gate.{affine}")),
        LayerPart::Expert(expert, matrix) => {
            mlp(format!("experts.{expert}.{}_proj.weight", matrix.name()))
        }
        _ => llama::dense(role),
    }
}

impl Family for Mixtral {
    fn name(&self) -> &'static str {
        "mixtral"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        let TensorRole::Layer(layer, part) = role else { return llama::dense(role) };
        let block = format!("model.layers.{layer}.block_sparse_moe");
        match part {
            LayerPart::Router(affine) => TensorSource::named(format!("{block}.gate.{affine}")),
            LayerPart::Expert(expert, matrix) => {
                let name = match matrix {
                    Projection::Gate => "w1",
                    Projection::Down => "w2",
                    Projection::Up => "w3",
                };
                TensorSource::named(format!("{block}.experts.{expert}.{name}.weight"))
            }
            _ => llama::dense(role),
        }
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}

impl Family for Olmoe {
    fn name(&self) -> &'static str {
        "olmoe"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        by_name(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}

impl Family for Qwen3Moe {
    fn name(&self) -> &'static str {
        "qwen3_moe"
    }

    fn dense(&self, _: &Architecture, role: TensorRole) -> TensorSource {
        by_name(role)
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}

impl Family for GraniteMoe {
    fn name(&self) -> &'static str {
        "granitemoe"
    }

    fn dense(&self, architecture: &Architecture, role: TensorRole) -> TensorSource {
        let TensorRole::Layer(layer, part) = role else { return llama::dense(role) };
        let block = format!("model.layers.{layer}.block_sparse_moe");
        let Some(experts) = &architecture.experts else { return llama::dense(role) };
        let (count, neurons) = (experts.count, experts.neurons);
        // Gate and up of an expert are one matrix.
        let into = |expert: u32, rows| {
            let whole = TensorSource::named(format!("{block}.input_linear.weight"));
            whole.stacked(count, expert as usize).of_rows(2 * neurons, rows)
        };
        match part {
            LayerPart::Router(affine) => {
                TensorSource::named(format!("{block}.router.layer.{affine}"))
            }
            LayerPart::Expert(expert, Projection::Gate) => into(expert, 0..neurons),
            LayerPart::Expert(expert, Projection::Up) => into(expert, neurons..2 * neurons),
            LayerPart::Expert(expert, Projection::Down) => {
                let whole = TensorSource::named(format!("{block}.output_linear.weight"));
                whole.stacked(count, expert as usize)
            }
            _ => llama::dense(role),
        }
    }

    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources {
        llama::neurons(architecture, layer)
    }
}
