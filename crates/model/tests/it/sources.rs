//! Where tensors are taken from: every one that the decoder asks for, and the rows of fused projections.

use crate::describe::config;
use flint_model::{Affine, LayerPart, TensorRole, describe};
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashSet;

#[test]
fn every_tensor_of_a_family_has_a_name_of_its_own() {
    for kind in [
        "opt",
        "falcon",
        "persimmon",
        "phi",
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "phi3",
        "gemma2",
        "gemma3_text",
    ] {
        let biased = json!({ "attention_bias": !kind.starts_with("gemma"), "mlp_bias": true, "bias": true,
            "tie_word_embeddings": false, "qk_layernorm": true });
        let (family, architecture) =
            describe(config(kind, &biased).to_string().as_bytes()).unwrap();
        let mut taken = HashSet::new();
        let mut take = |names: &[String], rows: Vec<std::ops::Range<usize>>| {
            assert!(taken.insert((names.to_vec(), rows)), "{kind}: {names:?} twice");
        };
        for spec in architecture.dense_tensors() {
            let source = family.dense(&architecture, spec.role);
            let rows = source.rows.map(|rows| rows.ranges).unwrap_or_default();
            let picked: usize = rows.iter().map(ExactSizeIterator::len).sum();
            assert!(rows.is_empty() || picked == spec.dims[0], "{kind}: {}", spec.role);
            take(&source.names, rows);
        }
        for layer in 0..architecture.layers {
            let neurons = family.neurons(&architecture, layer);
            assert_eq!(neurons.gate.is_some(), architecture.feed_forward.gated);
            let more = [neurons.gate, neurons.gate_bias, neurons.up_bias];
            for source in more.into_iter().flatten().chain([neurons.up, neurons.down]) {
                take(&source.names, source.rows.map(|rows| rows.ranges).unwrap_or_default());
            }
        }
    }
}

#[test]
fn models_saved_without_their_head_have_shorter_names() {
    for (kind, long, short) in [
        ("llama", "model.layers.1.mlp.up_proj.weight", "layers.1.mlp.up_proj.weight"),
        ("opt", "model.decoder.layers.1.fc1.weight", "decoder.layers.1.fc1.weight"),
        ("falcon", "transformer.h.1.mlp.dense_h_to_4h.weight", "h.1.mlp.dense_h_to_4h.weight"),
        ("phi", "model.layers.1.mlp.fc1.weight", "layers.1.mlp.fc1.weight"),
        (
            "persimmon",
            "model.layers.1.mlp.dense_h_to_4h.weight",
            "layers.1.mlp.dense_h_to_4h.weight",
        ),
        ("phi3", "model.layers.1.mlp.gate_up_proj.weight", "layers.1.mlp.gate_up_proj.weight"),
        ("gemma2", "model.layers.1.mlp.up_proj.weight", "layers.1.mlp.up_proj.weight"),
        ("qwen3", "model.layers.1.mlp.up_proj.weight", "layers.1.mlp.up_proj.weight"),
    ] {
        let (family, architecture) =
            describe(config(kind, &json!({})).to_string().as_bytes()).unwrap();
        let up = family.tensor(&architecture, TensorRole::Layer(1, LayerPart::Up(Affine::Weight)));
        assert_eq!(up.unwrap().names, [long, short], "{kind}");
        for spec in architecture
            .all_tensors()
            .into_iter()
            .filter(|it| !matches!(it.role, TensorRole::Head | TensorRole::HeadBias))
        {
            let names = family.tensor(&architecture, spec.role).unwrap().names;
            assert_eq!(names.len(), 2, "{kind}: {names:?}");
        }
    }
}

proptest! {
    /// However heads are grouped, query, key and value take each row of a fused matrix once, in the order
    /// of their heads.
    #[test]
    fn fused_rows_are_taken_once_each(kv_heads in 1usize..7, sharing in 1usize..7, half in 1usize..5) {
        let (heads, head_dim) = (kv_heads * sharing, 2 * half);
        let more = json!({ "hidden_size": heads * head_dim, "num_attention_heads": heads,
            "num_kv_heads": kv_heads, "new_decoder_architecture": true });
        let (family, architecture) = describe(config("falcon", &more).to_string().as_bytes()).unwrap();
        let mut owner = vec![None; (heads + 2 * kv_heads) * head_dim];
        let parts = [LayerPart::Query, LayerPart::Key, LayerPart::Value];
        for (part, make) in parts.into_iter().enumerate() {
            let expected = if part == 0 { heads } else { kv_heads };
            let role = TensorRole::Layer(1, make(Affine::Weight));
            let rows = family.dense(&architecture, role).rows.unwrap();
            prop_assert_eq!(rows.of, owner.len());
            let taken: Vec<usize> = rows.ranges.into_iter().flatten().collect();
            prop_assert_eq!(taken.len(), expected * head_dim);
            prop_assert!(taken.is_sorted());
            for row in taken {
                prop_assert_eq!(owner[row].replace(part), None);
            }
        }
        // Each group: the query heads that share a key and value head, then the two.
        let group: Vec<usize> = [vec![0; sharing], vec![1, 2]].concat();
        let expected = group.repeat(kv_heads).into_iter().flat_map(|part| vec![Some(part); head_dim]);
        prop_assert_eq!(owner, expected.collect::<Vec<_>>());
    }
}
