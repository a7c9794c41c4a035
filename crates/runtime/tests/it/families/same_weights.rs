//! One model as a GGUF file and as a checkpoint directory with the same weights: the same bits.

use super::gguf::file;
use super::grid::{MORE, PROMPT, plain};
use super::model_meets;
use crate::model::options;
use flint_checkpoint::gguf::GgufFile;
use flint_engine::{Mode, RunOptions};
use flint_fixtures::{OracleReference, gguf};
use flint_geometry::DType;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What a checkpoint calls the tensor that a GGUF file calls `name`.
fn published(name: &str, gemma: bool) -> String {
    let Some((layer, rest)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'))
    else {
        return match name {
            "token_embd.weight" => "model.embed_tokens.weight",
            "output_norm.weight" => "model.norm.weight",
            "output.weight" => "lm_head.weight",
            other => panic!("{other}"),
        }
        .to_owned();
    };
    let (module, affine) = rest.rsplit_once('.').unwrap();
    let module = match module {
        "attn_norm" => "input_layernorm",
        "ffn_norm" if gemma => "pre_feedforward_layernorm",
        "ffn_norm" | "post_attention_norm" => "post_attention_layernorm",
        "post_ffw_norm" => "post_feedforward_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_qkv" => "self_attn.qkv_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" if !gemma => "mlp.gate_up_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        other => panic!("{other}"),
    };
    format!("model.layers.{layer}.{module}.{affine}")
}

/// Writes the tensors of the GGUF file of `name` as a checkpoint into `dir`; whether every number came through.
fn write(dir: &Path, name: &str, config: &Value) -> bool {
    let gemma = name.starts_with("gemma");
    let file = GgufFile::open(&file(name)).unwrap();
    let (mut tensors, mut exact) = (Vec::new(), true);
    for tensor in file.tensors() {
        let dims: Vec<usize> = tensor.dims().iter().rev().map(|&dim| dim as usize).collect();
        let picked = file.pick(tensor.name(), None, &dims).unwrap();
        let mut bytes = Vec::new();
        picked.read(0..picked.rows(), &mut bytes).unwrap();
        // Checkpoints of Gemma hold what is added to one.
        if gemma && tensor.name().contains("norm") {
            let weights = bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four));
            let less: Vec<f32> = weights.clone().map(|weight| weight - 1.0).collect();
            exact &= weights.zip(&less).all(|(weight, less)| less + 1.0 == weight);
            bytes = less.iter().flat_map(|less| less.to_le_bytes()).collect();
        }
        let dtype = if picked.element() == DType::F16 { Dtype::F16 } else { Dtype::F32 };
        tensors.push((published(tensor.name(), gemma), dtype, dims, bytes));
    }
    let views = tensors.iter().map(|(name, dtype, dims, bytes)| {
        (name.as_str(), TensorView::new(*dtype, dims.clone(), bytes).unwrap())
    });
    serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    exact
}

fn gives_the_same_bits(name: &str, config: &Value) {
    let dir = tempfile::tempdir().unwrap();
    let same = write(dir.path(), name, config);
    let reference = OracleReference::read(&gguf(name)).unwrap();
    model_meets(dir.path(), &reference);
    let ids = &reference.prompts.last().unwrap().ids[..PROMPT + MORE];
    let exact = RunOptions { mode: Some(Mode::Exact), ..options(2000.0) };
    assert!(same, "a norm of {name} is another number after one less and one more");
    assert!(plain(dir.path(), ids, &exact) == plain(&file(name), ids, &exact), "other bits");
}

#[test]
fn gemma_3() {
    let mut config = json!({ "model_type": "gemma3_text", "vocab_size": 456, "hidden_size": 64,
        "num_hidden_layers": 7, "intermediate_size": 96, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 24, "query_pre_attn_scalar": 24,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "sliding_window": 8,
        "rope_theta": 1e6, "rope_local_base_freq": 1e4, "hidden_activation": "gelu_pytorch_tanh" });
    gives_the_same_bits("gemma3-f16", &config);
    // As later versions write it down.
    let section = config.as_object_mut().unwrap();
    section.remove("rope_theta");
    section.remove("rope_local_base_freq");
    let angles = |theta: f64| json!({ "rope_type": "default", "rope_theta": theta });
    let both = json!({ "full_attention": angles(1e6), "sliding_attention": angles(1e4) });
    section.insert("rope_parameters".to_owned(), both);
    gives_the_same_bits("gemma3-f16", &config);
}

#[test]
fn phi_3() {
    let config = json!({ "model_type": "phi3", "vocab_size": 432, "hidden_size": 64,
        "num_hidden_layers": 3, "intermediate_size": 160, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "sliding_window": 2047, "original_max_position_embeddings": 4096, "rope_scaling": null });
    gives_the_same_bits("phi3-f16", &config);
}
