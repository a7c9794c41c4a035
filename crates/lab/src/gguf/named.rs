//! Shapes of published models, each as the `config.json` that decides it.

use crate::Refused;
use flint_model::{Activation, Architecture, PerLayer, Scores};
use serde_json::{Value, json};

/// Shapes that llama.cpp does not run, and why a file would be of no use.
const UNSUPPORTED: [&str; 2] = ["opt-6.7b", "persimmon-8b"];

/// The architecture of a published model.
pub(super) fn architecture(name: &str) -> anyhow::Result<Architecture> {
    if UNSUPPORTED.contains(&name) {
        return Err(Refused(format!("llama.cpp does not run the architecture of {name}")).into());
    }
    if name == "gpt-oss-20b" {
        return gpt_oss();
    }
    let Some(config) = config(name) else {
        return Err(Refused(format!(
            "{name} is neither a bundle nor a known shape: llama-2-7b, llama-3.2-3b, smollm2-1.7b, smollm2-135m, \
             falcon-7b, phi-2, qwen3-30b-a3b, olmoe-1b-7b, gpt-oss-20b"
        ))
        .into());
    };
    Ok(flint_model::describe(config.to_string().as_bytes())?.1)
}

/// gpt-oss-20b, which is described by files alone: Qwen3-MoE's description with what differs.
fn gpt_oss() -> anyhow::Result<Architecture> {
    let base = json!({
        "model_type": "qwen3_moe", "hidden_act": "silu", "hidden_size": 2880, "intermediate_size": 2880,
        "moe_intermediate_size": 2880, "num_experts": 32, "num_experts_per_tok": 4, "norm_topk_prob": true,
        "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 150000.0, "vocab_size": 201088,
        "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2, "attention_bias": true,
        "rope_scaling": {
            "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
            "original_max_position_embeddings": 4096,
        },
    });
    let mut architecture = flint_model::describe(base.to_string().as_bytes())?.1;
    architecture.family = "gpt-oss".to_owned();
    architecture.attention.head_norm = None;
    architecture.attention.sinks = true;
    let windowed = (0..architecture.layers).map(|layer| (layer % 2 == 0).then_some(128));
    architecture.attention.window = PerLayer::of(windowed.collect());
    if let Some(experts) = &mut architecture.experts {
        experts.routing.scores = Scores::SoftmaxOfChosen;
        experts.routing.divided = None;
        experts.activation = Activation::ClampedSwiglu;
        (experts.router_bias, experts.biases) = (true, true);
    }
    Ok(architecture)
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
        "qwen3-30b-a3b" => Some(json!({
            "model_type": "qwen3_moe", "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 6144,
            "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": true,
            "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
            "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "vocab_size": 151936,
            "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2,
        })),
        "olmoe-1b-7b" => Some(json!({
            "model_type": "olmoe", "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 1024,
            "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false, "num_hidden_layers": 16,
            "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "vocab_size": 50304, "tie_word_embeddings": false,
            "bos_token_id": 1, "eos_token_id": 2,
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
