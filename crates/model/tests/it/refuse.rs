//! What is refused, by the name of the setting and its value.

use crate::describe::config;
use flint_model::{Description, describe, supported};
use serde_json::{Value, json};

/// What is said of a configuration.
fn said(kind: &str, more: &Value) -> String {
    let text = config(kind, more).to_string();
    describe(text.as_bytes()).expect_err(&text).to_string()
}

#[test]
fn a_setting_that_is_wrong_is_named_with_its_value() {
    for (kind, more, parts) in [
        ("llama", json!({ "hidden_size": "64" }), ["'hidden_size'", "\"64\""]),
        ("llama", json!({ "hidden_size": 0 }), ["'hidden_size'", "is 0"]),
        ("llama", json!({ "hidden_size": -1 }), ["'hidden_size'", "is -1"]),
        ("llama", json!({ "vocab_size": 1e30 }), ["'vocab_size'", "1e+30"]),
        ("llama", json!({ "num_hidden_layers": 100_000 }), ["'num_hidden_layers'", "100000"]),
        ("llama", json!({ "num_attention_heads": 5 }), ["'num_attention_heads'", "is 5"]),
        ("llama", json!({ "num_key_value_heads": 3 }), ["'num_key_value_heads'", "is 3"]),
        ("llama", json!({ "head_dim": 268_435_456 }), ["'head_dim'", "268435456"]),
        ("llama", json!({ "head_dim": 15 }), ["'partial_rotary_factor'", "even"]),
        ("llama", json!({ "rms_norm_eps": 0.0 }), ["'rms_norm_eps'", "0.0"]),
        ("llama", json!({ "hidden_act": "tanh" }), ["'hidden_act'", "tanh"]),
        ("llama", json!({ "hidden_act": 3 }), ["'hidden_act'", "is 3"]),
        ("llama", json!({ "hidden_act": "fatrelu" }), ["'hidden_act_param'", "has no"]),
        ("llama", json!({ "attention_bias": "no" }), ["'attention_bias'", "\"no\""]),
        ("llama", json!({ "eos_token_id": [1, "x"] }), ["'eos_token_id'", "[1,\"x\"]"]),
        ("llama", json!({ "eos_token_id": -1 }), ["'eos_token_id'", "-1"]),
        ("llama", json!({ "rope_theta": -5 }), ["'rope_theta'", "-5"]),
        ("llama", json!({ "rope_scaling": "linear" }), ["'rope_scaling'", "linear"]),
        ("mistral", json!({ "sliding_window": 0 }), ["'sliding_window'", "is 0"]),
        ("phi", json!({ "partial_rotary_factor": 2.0 }), ["'partial_rotary_factor'", "2.0"]),
        ("phi", json!({ "partial_rotary_factor": 0.01 }), ["'partial_rotary_factor'", "0.01"]),
        ("phi", json!({ "partial_rotary_factor": 0.2 }), ["'partial_rotary_factor'", "0.2"]),
        ("opt", json!({ "activation_function": "mish" }), ["'activation_function'", "mish"]),
        ("qwen3", json!({ "head_dim": null }), ["'head_dim'", "has no"]),
        (
            "falcon",
            json!({ "new_decoder_architecture": true, "num_ln_in_parallel_attn": 3 }),
            ["'num_ln_in_parallel_attn'", "is 3"],
        ),
    ] {
        let said = said(kind, &more);
        assert!(said.starts_with("config.json"), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_setting_that_is_missing_is_named() {
    for (kind, key) in [
        ("llama", "hidden_size"),
        ("llama", "intermediate_size"),
        ("falcon", "num_attention_heads"),
        ("qwen2", "vocab_size"),
        ("phi", "num_hidden_layers"),
        ("opt", "ffn_dim"),
    ] {
        let said = said(kind, &json!({ key: null }));
        assert_eq!(said, format!("config.json has no '{key}'"));
    }
    assert_eq!(describe(b"{}").unwrap_err().to_string(), "config.json has no 'model_type'");
}

#[test]
fn what_the_decoder_does_not_do_is_refused_by_name() {
    for (kind, more, parts) in [
        ("falcon", json!({ "alibi": true }), ["'alibi'", "linear biases"]),
        (
            "falcon",
            json!({ "apply_residual_connection_post_layernorm": true }),
            ["'apply_residual_connection_post_layernorm'", "not supported"],
        ),
        (
            "llama",
            json!({ "rope_scaling": { "type": "dynamic", "factor": 2.0 } }),
            ["'rope_scaling.type'", "dynamic"],
        ),
        (
            "qwen2",
            json!({ "rope_scaling": { "rope_type": "ntk", "factor": 4.0 } }),
            ["'rope_scaling.rope_type'", "ntk"],
        ),
        (
            "phi",
            json!({ "rope_parameters": { "rope_type": "longrope", "short_factor": [1.0] } }),
            ["'rope_parameters.short_factor'", "a list of"],
        ),
        (
            "llama",
            json!({ "rope_parameters": { "full_attention": { "rope_type": "default" } } }),
            ["'rope_parameters.full_attention'", "one setting for all layers"],
        ),
        (
            "llama",
            json!({ "quantization_config": { "quant_method": "gptq" } }),
            ["'quantization_config'", "gptq"],
        ),
        (
            "qwen2",
            json!({ "dual_chunk_attention_config": {} }),
            ["'dual_chunk_attention_config'", "chunks"],
        ),
        (
            "qwen3",
            json!({ "layer_types": ["full_attention", "chunked_attention"] }),
            ["'layer_types'", "2 times full_attention or sliding_attention"],
        ),
        (
            "qwen2",
            json!({ "layer_types": ["full_attention"] }),
            ["'layer_types'", "2 times full_attention or sliding_attention"],
        ),
        (
            "mistral",
            json!({ "layer_types": ["sliding_attention", "full_attention"] }),
            ["'layer_types'", "all"],
        ),
    ] {
        let said = said(kind, &more);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn scalings_lack_none_of_their_numbers() {
    let whole = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192 });
    for key in ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
    {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(key);
        let said = said("llama", &json!({ "rope_scaling": part }));
        assert_eq!(said, format!("config.json has no 'rope_scaling.{key}'"));
    }
    let mut crossed = whole;
    crossed["low_freq_factor"] = 4.0.into();
    assert!(said("llama", &json!({ "rope_scaling": crossed })).contains("low_freq_factor"));
}

#[test]
fn an_unknown_model_type_is_told_what_is_supported() {
    let said_of = |kind: &str| said(kind, &json!({}));
    let said = said_of("bert");
    assert!(said.contains("'bert'"), "{said}");
    for kind in supported() {
        assert!(said.contains(kind), "{kind} in {said}");
    }
    for (kind, missing) in [
        ("qwen2_moe", "shared expert with a gate"),
        ("deepseek_v3", "GGUF"),
        ("gemma3", "images"),
        ("gpt_oss", "GGUF"),
    ] {
        let said = said_of(kind);
        assert!(said.contains(kind) && said.contains(missing), "{said}");
        assert!(said.contains("supported are: opt"), "{said}");
    }
    let long = said_of(&"x".repeat(5000));
    assert!(long.len() < 300, "{} characters", long.len());
}

#[test]
fn a_file_that_is_no_object_is_named() {
    for text in ["", "[]", "{\"model_type\"", "3", "\u{0}"] {
        let said = describe(text.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("config.json is not a JSON object"), "{said}");
    }
    let config = config("llama", &json!({})).to_string();
    let beside = Description {
        config: config.as_bytes(),
        generation_config: Some(b"[]"),
        tokenizer_config: None,
    };
    assert!(beside.read().unwrap_err().to_string().starts_with("generation_config.json"));
    let text = json!({ "add_bos_token": "yes" }).to_string();
    let tokenizer_config = Some(text.as_bytes());
    let wrong = Description { generation_config: None, tokenizer_config, ..beside };
    let said = wrong.read().unwrap_err().to_string();
    assert!(said.starts_with("tokenizer_config.json: 'add_bos_token' is \"yes\""), "{said}");
}

#[test]
fn long_values_are_cut() {
    let said = said("llama", &json!({ "hidden_act": "y".repeat(5000) }));
    assert!(said.len() < 250 && said.contains("yyy"), "{said}");
}
