//! The tensors of each family: their names, and how query, key and value are fused.

use super::{Matrix, Residual, Spec, Weights};

/// A name of ours, after the number of the layer, and the one that a family has for it.
type Names = &'static [(&'static str, &'static str)];

const LLAMA: Names = &[
    ("attention_norm", "input_layernorm"),
    ("neurons_norm", "post_attention_layernorm"),
    ("query", "self_attn.q_proj"),
    ("key", "self_attn.k_proj"),
    ("value", "self_attn.v_proj"),
    ("output", "self_attn.o_proj"),
    ("query_norm", "self_attn.q_norm"),
    ("key_norm", "self_attn.k_norm"),
    ("gate", "mlp.gate_proj"),
    ("up", "mlp.up_proj"),
    ("down", "mlp.down_proj"),
];

const PHI: Names = &[
    ("attention_norm", "input_layernorm"),
    ("query", "self_attn.q_proj"),
    ("key", "self_attn.k_proj"),
    ("value", "self_attn.v_proj"),
    ("output", "self_attn.dense"),
    ("query_norm", "self_attn.q_layernorm"),
    ("key_norm", "self_attn.k_layernorm"),
    ("up", "mlp.fc1"),
    ("down", "mlp.fc2"),
];

const PERSIMMON: Names = &[
    ("attention_norm", "input_layernorm"),
    ("neurons_norm", "post_attention_layernorm"),
    ("fused", "self_attn.query_key_value"),
    ("output", "self_attn.dense"),
    ("query_norm", "self_attn.q_layernorm"),
    ("key_norm", "self_attn.k_layernorm"),
    ("up", "mlp.dense_h_to_4h"),
    ("down", "mlp.dense_4h_to_h"),
];

const FALCON: Names = &[
    ("attention_norm", "input_layernorm"),
    ("neurons_norm", "post_attention_layernorm"),
    ("fused", "self_attention.query_key_value"),
    ("output", "self_attention.dense"),
    ("up", "mlp.dense_h_to_4h"),
    ("down", "mlp.dense_4h_to_h"),
];

const OPT: Names = &[
    ("attention_norm", "self_attn_layer_norm"),
    ("neurons_norm", "final_layer_norm"),
    ("query", "self_attn.q_proj"),
    ("key", "self_attn.k_proj"),
    ("value", "self_attn.v_proj"),
    ("output", "self_attn.out_proj"),
    ("up", "fc1"),
    ("down", "fc2"),
];

pub(super) fn llama(_: &Spec, weights: &Weights) -> Vec<(String, Matrix)> {
    let outside = [("embedding", "model.embed_tokens"), ("final_norm", "model.norm")];
    named(weights, "model.layers", LLAMA, &outside)
}

pub(super) fn phi(_: &Spec, weights: &Weights) -> Vec<(String, Matrix)> {
    let outside = [("embedding", "model.embed_tokens"), ("final_norm", "model.final_layernorm")];
    named(weights, "model.layers", PHI, &outside)
}

pub(super) fn opt(_: &Spec, weights: &Weights) -> Vec<(String, Matrix)> {
    let outside = [
        ("embedding", "model.decoder.embed_tokens"),
        ("positions", "model.decoder.embed_positions"),
        ("final_norm", "model.decoder.final_layer_norm"),
    ];
    named(weights, "model.decoder.layers", OPT, &outside)
}

pub(super) fn persimmon(spec: &Spec, weights: &Weights) -> Vec<(String, Matrix)> {
    let outside = [("embedding", "model.embed_tokens"), ("final_norm", "model.final_layernorm")];
    named(&fused(spec, weights), "model.layers", PERSIMMON, &outside)
}

pub(super) fn falcon(spec: &Spec, weights: &Weights) -> Vec<(String, Matrix)> {
    let outside =
        [("embedding", "transformer.word_embeddings"), ("final_norm", "transformer.ln_f")];
    let mut tensors = named(&fused(spec, weights), "transformer.h", FALCON, &outside);
    if spec.residual == Residual::TwoNorms {
        for (name, _) in &mut tensors {
            *name = name.replace("input_layernorm", "ln_attn");
            *name = name.replace("post_attention_layernorm", "ln_mlp");
        }
    }
    tensors
}

/// Gives every weight the name that the family has for it.
fn named(
    weights: &Weights,
    layers: &str,
    inside: Names,
    outside: &[(&str, &str)],
) -> Vec<(String, Matrix)> {
    let rename = |ours: &str| {
        let (stem, affine) = match ours.strip_suffix(".bias") {
            Some(stem) => (stem, "bias"),
            None => (ours, "weight"),
        };
        if stem == "head" {
            return format!("lm_head.{affine}");
        }
        let theirs = |names: &[(&str, &str)], part: &str| {
            let found = names.iter().find(|(ours, _)| *ours == part);
            found.unwrap_or_else(|| panic!("the family has no name for {part}")).1.to_owned()
        };
        match stem.split_once('.') {
            Some((layer, part)) => format!("{layers}.{layer}.{}.{affine}", theirs(inside, part)),
            None => format!("{}.{affine}", theirs(outside, stem)),
        }
    };
    weights.iter().map(|(ours, matrix)| (rename(ours), matrix.clone())).collect()
}

/// Puts query, key and value together: for each key and value head, the query heads that share it, then its
/// key, then its value.
fn fused(spec: &Spec, weights: &Weights) -> Weights {
    let mut all = weights.clone();
    for layer in 0..spec.layers {
        for end in ["", ".bias"] {
            let parts =
                ["query", "key", "value"].map(|part| all.remove(&format!("{layer}.{part}{end}")));
            let [Some(query), Some(key), Some(value)] = parts else { continue };
            // Of a vector, a head's share is `head_dim` numbers.
            let width = if query.is_vector { 1 } else { query.columns };
            let share = |matrix: &Matrix, head: usize| {
                let size = spec.head_dim * width;
                matrix.numbers[head * size..][..size].to_vec()
            };
            let sharing = spec.heads / spec.kv_heads;
            let numbers: Vec<f64> = (0..spec.kv_heads)
                .flat_map(|kv| {
                    let queries =
                        (kv * sharing..(kv + 1) * sharing).map(|head| share(&query, head));
                    let both = [share(&key, kv), share(&value, kv)];
                    queries.chain(both).collect::<Vec<_>>().concat()
                })
                .collect();
            let (rows, columns) = match query.is_vector {
                true => (1, numbers.len()),
                false => (numbers.len() / width, width),
            };
            let matrix = Matrix { rows, columns, numbers, is_vector: query.is_vector };
            all.insert(format!("{layer}.fused{end}"), matrix);
        }
    }
    all
}
