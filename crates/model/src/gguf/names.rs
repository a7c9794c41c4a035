//! What the tensors of GGUF files are called.

use super::experts;
use crate::source::{Rows, TensorSource};
use crate::{Affine, Architecture, LayerPart, Residual, TensorRole};

/// Where a GGUF file keeps the tensor for `role`: under a name of its own, or as rows of a fused one. `exists` tells
/// which tensors there are; `None` where the file has no such tensor.
pub fn gguf_source(
    architecture: &Architecture,
    role: TensorRole,
    exists: &dyn Fn(&str) -> bool,
) -> Option<TensorSource> {
    let name = match role {
        TensorRole::TokenEmbedding => "token_embd.weight".to_owned(),
        TensorRole::Positions => "position_embd.weight".to_owned(),
        TensorRole::FinalNorm(affine) => format!("output_norm.{affine}"),
        TensorRole::Head => "output.weight".to_owned(),
        TensorRole::HeadBias => "output.bias".to_owned(),
        TensorRole::ProjectIn | TensorRole::ProjectOut => return None,
        TensorRole::Layer(layer, part) => return in_layer(architecture, layer, part, exists),
    };
    exists(&name).then(|| TensorSource::whole([name]))
}

fn in_layer(
    architecture: &Architecture,
    layer: usize,
    part: LayerPart,
    exists: &dyn Fn(&str) -> bool,
) -> Option<TensorSource> {
    if let Some(source) = experts::source(architecture, layer, part) {
        return exists(&source.names[0]).then_some(source);
    }
    let two_norms = architecture.residual == Residual::ParallelTwoNorms;
    let latent = architecture.attention.latent;
    let module = match part {
        // Where both blocks have a norm of their own, the first name is the feed-forward's.
        LayerPart::AttentionNorm(_) if two_norms => "attn_norm_2",
        LayerPart::FeedForwardNorm(_) if two_norms => "attn_norm",
        LayerPart::AttentionNorm(_) => "attn_norm",
        LayerPart::FeedForwardNorm(_) if architecture.family == "gpt-oss" => "post_attention_norm",
        LayerPart::FeedForwardNorm(_) => "ffn_norm",
        LayerPart::AttentionOutputNorm(_) => "post_attention_norm",
        LayerPart::FeedForwardOutputNorm(_) => "post_ffw_norm",
        LayerPart::Query(_) if latent.is_some_and(|latent| latent.query.is_some()) => "attn_q_b",
        LayerPart::Query(_) => "attn_q",
        LayerPart::Key(_) => "attn_k",
        LayerPart::Value(_) => "attn_v",
        LayerPart::Output(_) => "attn_output",
        LayerPart::QueryNorm(_) => "attn_q_norm",
        LayerPart::KeyNorm(_) => "attn_k_norm",
        LayerPart::Gate(_) => "ffn_gate",
        LayerPart::Up(_) => "ffn_up",
        LayerPart::Down | LayerPart::DownBias => "ffn_down",
        LayerPart::Sinks => "attn_sinks",
        LayerPart::QueryDown => "attn_q_a",
        LayerPart::QueryDownNorm => "attn_q_a_norm",
        LayerPart::Latent => "attn_kv_a_mqa",
        LayerPart::LatentNorm => "attn_kv_a_norm",
        _ => return None,
    };
    let affine = part.affine();
    let name = |module: &str| format!("blk.{layer}.{module}.{affine}");
    if let Some(rows) = fused_rows(architecture, layer, part) {
        let fused = name(rows.0);
        // A feed-forward of twice the rows stands under the name of its second half.
        if !exists(&name(module)) || rows.0 == module || !exists(&name("ffn_gate")) && is_gate(part)
        {
            let whole = TensorSource::whole([fused.clone()]);
            return exists(&fused).then_some(TensorSource { rows: Some(rows.1), ..whole });
        }
    }
    exists(&name(module)).then(|| TensorSource::whole([name(module)]))
}

fn is_gate(part: LayerPart) -> bool {
    matches!(part, LayerPart::Gate(_))
}

/// The fused tensor that may hold `part`, and its rows there.
fn fused_rows(
    architecture: &Architecture,
    layer: usize,
    part: LayerPart,
) -> Option<(&'static str, Rows)> {
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let neurons = architecture.neurons(layer);
    let all = query + 2 * kv;
    let rows = |of: usize, from: usize, to: usize| Rows {
        of,
        ranges: std::iter::once(from..to).collect(),
    };
    match part {
        LayerPart::Query(_) => Some(("attn_qkv", rows(all, 0, query))),
        LayerPart::Key(_) => Some(("attn_qkv", rows(all, query, query + kv))),
        LayerPart::Value(_) => Some(("attn_qkv", rows(all, query + kv, all))),
        LayerPart::Gate(Affine::Weight) if fuses_gate(architecture) => {
            Some(("ffn_up", rows(2 * neurons, 0, neurons)))
        }
        LayerPart::Up(Affine::Weight) if fuses_gate(architecture) => {
            Some(("ffn_up", rows(2 * neurons, neurons, 2 * neurons)))
        }
        _ => None,
    }
}

/// Whether gate and up are one tensor, gate first.
fn fuses_gate(architecture: &Architecture) -> bool {
    architecture.family == "phi3"
}
