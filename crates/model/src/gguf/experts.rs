//! Experts in GGUF files: what the metadata says of them, and where their tensors lie. A matrix of all experts of a layer is one
//! tensor of three sizes.

use super::Metadata;
use super::values::{required, wrong};
use crate::architecture::{Architecture, Experts, LatentAttention};
use crate::routing::{ExpertGroups, Routing, Scores};
use crate::{Activation, LayerPart, ModelError, Projection, TensorSource};

/// What scores of a family of DeepSeek-V3's kind are divided by beside their sum.
const SIGMOID_EPSILON: f32 = 1e-20;

/// The experts of a model of the architecture `name`; `None` where it has none.
pub(super) fn read(
    metadata: &dyn Metadata,
    name: &str,
    layers: usize,
) -> Result<Option<Experts>, ModelError> {
    let count = metadata.number("expert_count")?.unwrap_or(0) as usize;
    if count == 0 {
        return Ok(None);
    }
    let dense_layers = metadata.number("leading_dense_block_count")?.unwrap_or(0) as usize;
    let first = dense_layers.min(layers.saturating_sub(1));
    let has = |tensor: &str| metadata.dims(&format!("blk.{first}.{tensor}")).is_some();
    let neurons = match metadata.number("expert_feed_forward_length")? {
        Some(neurons) => neurons as usize,
        // All of the feed-forward is experts.
        None => required(metadata, "feed_forward_length")?,
    };
    let shared = metadata.number("expert_shared_count")?.unwrap_or(0) as usize;
    let gpt_oss = name == "gpt-oss";
    Ok(Some(Experts {
        dense_layers,
        count,
        neurons,
        routing: routing(metadata, name)?,
        activation: if gpt_oss { Activation::ClampedSwiglu } else { Activation::Silu },
        router_bias: has("ffn_gate_inp.bias"),
        selection_bias: has("exp_probs_b.bias"),
        biases: has("ffn_gate_exps.bias"),
        shared: shared.saturating_mul(neurons),
    }))
}

fn routing(metadata: &dyn Metadata, name: &str) -> Result<Routing, ModelError> {
    const GATING: &str = "expert_gating_func";
    let used = required(metadata, "expert_used_count")?;
    let plain = |scores, divided| Routing { used, scores, groups: None, divided, scale: 1.0 };
    match name {
        "olmoe" => return Ok(plain(Scores::Softmax, None)),
        "granitemoe" | "gpt-oss" => return Ok(plain(Scores::SoftmaxOfChosen, None)),
        "deepseek2" => {}
        _ => return Ok(plain(Scores::Softmax, Some(0.0))),
    }
    let scores = match metadata.number(GATING)? {
        // Files of the second version were written before there was another one.
        None | Some(0 | 1) => Scores::Softmax,
        Some(2) => Scores::Sigmoid,
        Some(_) => return Err(wrong(GATING, "1 (softmax) or 2 (sigmoid)")),
    };
    let divided = metadata.flag("expert_weights_norm")?.unwrap_or(false);
    let scale = metadata.real("expert_weights_scale")?.unwrap_or(0.0) as f32;
    Ok(Routing {
        groups: groups(metadata, scores)?,
        divided: divided.then_some(SIGMOID_EPSILON),
        // Zero says that there is none.
        scale: if scale == 0.0 { 1.0 } else { scale },
        ..plain(scores, None)
    })
}

fn groups(metadata: &dyn Metadata, scores: Scores) -> Result<Option<ExpertGroups>, ModelError> {
    let count = metadata.number("expert_group_count")?.unwrap_or(1) as usize;
    let used = metadata.number("expert_group_used_count")?.unwrap_or(count as u64) as usize;
    let best_two = scores == Scores::Sigmoid;
    Ok((count > 1 && used < count).then_some(ExpertGroups { count, used, best_two }))
}

/// Latent attention, where the file describes it, with the width of what is stored of a token.
pub(super) fn latent(metadata: &dyn Metadata) -> Result<Option<LatentAttention>, ModelError> {
    let Some(width) = metadata.number("attention.kv_lora_rank")? else { return Ok(None) };
    const KEYS: &str = "attention.key_length_mla";
    if metadata.number(KEYS)?.is_none() {
        let expected = "there: this file is of an older form, with keys and values in one matrix";
        return Err(wrong(KEYS, expected));
    }
    let rotated = required(metadata, "rope.dimension_count")?;
    let keys = required(metadata, KEYS)?;
    let unrotated = keys.checked_sub(rotated).filter(|&rest| rest > 0);
    Ok(Some(LatentAttention {
        query: metadata.number("attention.q_lora_rank")?.map(|width| width as usize),
        width: width as usize,
        unrotated: unrotated.ok_or_else(|| wrong(KEYS, "more than rope.dimension_count"))?,
        value: required(metadata, "attention.value_length_mla")?,
    }))
}

/// Where the tensor of a layer with experts lies; `None` for tensors that other layers have, too.
pub(super) fn source(
    architecture: &Architecture,
    layer: usize,
    part: LayerPart,
) -> Option<TensorSource> {
    let named = |name: String| TensorSource::named(format!("blk.{layer}.{name}"));
    let count = architecture.experts.as_ref().map_or(0, |experts| experts.count);
    let heads = architecture.attention.heads;
    let stem = |matrix: Projection| format!("ffn_{}", matrix.name());
    Some(match part {
        LayerPart::Router(affine) => named(format!("ffn_gate_inp.{affine}")),
        LayerPart::SelectionBias => named("exp_probs_b.bias".to_owned()),
        LayerPart::Expert(expert, matrix) => {
            named(format!("{}_exps.weight", stem(matrix))).stacked(count, expert as usize)
        }
        LayerPart::ExpertBias(matrix) => named(format!("{}_exps.bias", stem(matrix))),
        LayerPart::Shared(matrix) => named(format!("{}_shexp.weight", stem(matrix))),
        LayerPart::KeyUp(head) => named("attn_k_b.weight".to_owned()).stacked(heads, head as usize),
        LayerPart::ValueUp(head) => {
            named("attn_v_b.weight".to_owned()).stacked(heads, head as usize)
        }
        _ => return None,
    })
}
