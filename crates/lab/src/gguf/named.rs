//! Shapes of published models, each as the `config.json` that decides it.

use crate::Refused;
use flint_model::Architecture;
use serde_json::{Value, json};

/// Shapes that llama.cpp does not run, and why a file would be of no use.
const UNSUPPORTED: [&str; 2] = ["opt-6.7b", "persimmon-8b"];

/// The architecture of a published model.
pub(super) fn architecture(name: &str) -> anyhow::Result<Architecture> {
    if UNSUPPORTED.contains(&name) {
        return Err(Refused(format!("llama.cpp does not run the architecture of {name}")).into());
    }
    let Some(config) = config(name) else {
        return Err(Refused(format!(
            "{name} is neither a bundle nor a known shape: llama-2-7b, llama-3.2-3b, smollm2-1.7b, smollm2-135m, \
             falcon-7b, phi-2"
        ))
        .into());
    };
    Ok(flint_model::describe(config.to_string().as_bytes())?.1)
}

fn config(name: &str) -> Option<Value> {
    match name {
        "llama-2-7b" => Some(json!({
            "model_type": "llama", "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 11008,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "vocab_size": 32000,
            "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2,
        })),
        "llama-3.2-3b" => Some(json!({
            "model_type": "llama", "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 8192,
            "num_hidden_layers": 28, "num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128,
            "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "vocab_size": 128256,
            "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2,
        })),
        "smollm2-1.7b" => Some(smollm2(2048, 8192, 24, 32, 32)),
        "smollm2-135m" => Some(smollm2(576, 1536, 30, 9, 3)),
        "falcon-7b" => Some(json!({
            "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
            "multi_query": true, "parallel_attn": true, "new_decoder_architecture": false, "alibi": false,
            "bias": false, "layer_norm_epsilon": 1e-5, "vocab_size": 65024, "bos_token_id": 11,
            "eos_token_id": 11,
        })),
        "phi-2" => Some(json!({
            "model_type": "phi", "hidden_act": "gelu_new", "hidden_size": 2560, "intermediate_size": 10240,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "max_position_embeddings": 2048, "layer_norm_eps": 1e-5, "partial_rotary_factor": 0.4,
            "rope_theta": 10000.0, "qk_layernorm": false, "vocab_size": 51200, "tie_word_embeddings": false,
            "bos_token_id": 50256, "eos_token_id": 50256,
        })),
        _ => None,
    }
}

fn smollm2(hidden: u32, neurons: u32, layers: u32, heads: u32, kv_heads: u32) -> Value {
    json!({
        "model_type": "llama", "hidden_act": "silu", "hidden_size": hidden, "intermediate_size": neurons,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "vocab_size": 49152,
        "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2,
    })
}
