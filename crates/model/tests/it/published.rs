//! The settings of published checkpoints, restated: what their `config.json` says of the model, and what it must
//! be read as. Settings without a bearing on the model are left out.

use flint_model::{Activation, Architecture, NormPlace, Residual, RotaryScaling, describe};
use serde_json::{Value, json};

fn read(config: Value) -> Architecture {
    describe(config.to_string().as_bytes()).unwrap().1
}

/// Heads, heads of keys and values, numbers per head.
fn heads(read: &Architecture) -> [usize; 3] {
    [read.attention.heads, read.attention.kv_heads, read.attention.head_dim]
}

fn sizes(read: &Architecture) -> [usize; 5] {
    [read.layers, read.hidden, read.most_neurons(), read.vocabulary, read.context]
}

#[test]
fn opt() {
    // facebook/opt-6.7b
    let config = json!({ "model_type": "opt", "_remove_final_layer_norm": false,
        "activation_function": "relu", "bos_token_id": 2, "do_layer_norm_before": true,
        "enable_bias": true, "eos_token_id": 2, "ffn_dim": 16384, "hidden_size": 4096,
        "layer_norm_elementwise_affine": true, "max_position_embeddings": 2048,
        "num_attention_heads": 32, "num_hidden_layers": 32, "pad_token_id": 1, "prefix": "</s>",
        "vocab_size": 50272, "word_embed_proj_dim": 4096 });
    let opt = read(config);
    assert_eq!(sizes(&opt), [32, 4096, 16384, 50272, 2048]);
    assert_eq!(heads(&opt), [32, 32, 128]);
    assert!(opt.final_norm && opt.head.tied && opt.attention.biases.into);
    assert_eq!(opt.feed_forward.activation, Activation::Relu);
    assert_eq!((opt.begin_of_text, opt.end_of_text), (Some(2), vec![2]));

    // facebook/opt-350m
    let config = json!({ "model_type": "opt", "activation_function": "relu", "bos_token_id": 2,
        "do_layer_norm_before": false, "eos_token_id": 2, "ffn_dim": 4096, "hidden_size": 1024,
        "max_position_embeddings": 2048, "num_attention_heads": 16, "num_hidden_layers": 24,
        "pad_token_id": 1, "vocab_size": 50272, "word_embed_proj_dim": 512 });
    let opt = read(config);
    assert_eq!((opt.norm_place, opt.final_norm), (NormPlace::After, false));
    assert_eq!((opt.embedding.width, opt.hidden), (512, 1024));
}

#[test]
fn falcon() {
    // tiiuae/falcon-7b as it is, and as it was when the family had no name.
    let shared = json!({ "alibi": false, "apply_residual_connection_post_layernorm": false,
        "bias": false, "bos_token_id": 11, "eos_token_id": 11, "hidden_size": 4544,
        "layer_norm_epsilon": 1e-05, "multi_query": true, "parallel_attn": true,
        "vocab_size": 65024 });
    let with = |more: Value| {
        let mut config = shared.clone();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(config)
    };
    let now = with(json!({ "model_type": "falcon", "new_decoder_architecture": false,
        "num_attention_heads": 71, "num_hidden_layers": 32, "num_kv_heads": 71 }));
    assert_eq!(sizes(&now), [32, 4544, 4 * 4544, 65024, 2048]);
    assert_eq!(heads(&now), [71, 1, 64]);
    assert_eq!((now.residual, now.head.tied), (Residual::ParallelOneNorm, true));
    assert_eq!(now.feed_forward.activation, Activation::Gelu);
    assert_eq!((now.begin_of_text, &now.end_of_text[..]), (None, &[11][..]));
    let old = json!({ "model_type": "RefinedWebModel", "n_head": 71, "n_layer": 32 });
    assert_eq!(with(old), now);
    let between = json!({ "model_type": "falcon", "n_head": 71, "n_layer": 32 });
    assert_eq!(with(between), now);

    // tiiuae/falcon-40b, both.
    let now = with(json!({ "model_type": "falcon", "new_decoder_architecture": true,
        "hidden_size": 8192, "multi_query": null, "num_attention_heads": 128,
        "num_hidden_layers": 60, "num_kv_heads": 8 }));
    assert_eq!(sizes(&now), [60, 8192, 4 * 8192, 65024, 2048]);
    assert_eq!(heads(&now), [128, 8, 64]);
    assert_eq!(now.residual, Residual::ParallelTwoNorms);
    let old = json!({ "model_type": "RefinedWeb", "hidden_size": 8192, "multi_query": null,
        "n_head": 128, "n_head_kv": 8, "n_layer": 60 });
    assert_eq!(with(old), now);
}

#[test]
fn persimmon() {
    // adept/persimmon-8b-base
    let config = json!({ "model_type": "persimmon", "bos_token_id": 71013, "eos_token_id": 71013,
        "hidden_act": "relu2", "hidden_size": 4096, "intermediate_size": 16384,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 16384, "num_attention_heads": 64,
        "num_hidden_layers": 36, "num_key_value_heads": 64, "qk_layernorm": true,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 25000.0,
        "tie_word_embeddings": false, "vocab_size": 262144 });
    let persimmon = read(config);
    assert_eq!(sizes(&persimmon), [36, 4096, 16384, 262_144, 16384]);
    assert_eq!(heads(&persimmon), [64, 64, 64]);
    assert_eq!(persimmon.feed_forward.activation, Activation::SquaredRelu);
    let rotary = persimmon.attention.rotary.unwrap();
    assert_eq!((rotary.dims, rotary.theta), (32, 25000.0));
    assert!(persimmon.attention.head_norm.is_some() && !persimmon.head.tied);
    assert_eq!(persimmon.end_of_text, [71013]);
}

#[test]
fn phi_2() {
    // microsoft/phi-2
    let config = json!({ "model_type": "phi", "bos_token_id": 50256, "eos_token_id": 50256,
        "hidden_act": "gelu_new", "hidden_size": 2560, "intermediate_size": 10240,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 32, "partial_rotary_factor": 0.4,
        "qk_layernorm": false, "rope_scaling": null, "rope_theta": 10000.0,
        "tie_word_embeddings": false, "vocab_size": 51200 });
    let phi = read(config);
    assert_eq!(sizes(&phi), [32, 2560, 10240, 51200, 2048]);
    assert_eq!((heads(&phi), phi.attention.rotary.unwrap().dims), ([32, 32, 80], 32));
    assert_eq!(phi.feed_forward.activation, Activation::GeluTanh);
    assert!(phi.head.bias && !phi.head.tied && phi.attention.head_norm.is_none());
}

#[test]
fn llama_with_relu() {
    // SparseLLM/ReluLLaMA-7B
    let config = json!({ "model_type": "llama", "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "relu", "hidden_size": 4096, "intermediate_size": 11008, "max_length": 4096,
        "max_position_embeddings": 2048, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": null, "tie_word_embeddings": false, "vocab_size": 32000 });
    let llama = read(config);
    assert_eq!(sizes(&llama), [32, 4096, 11008, 32000, 2048]);
    assert_eq!(llama.feed_forward.activation, Activation::Relu);

    // SparseLLM/ReluLLaMA-70B
    let config = json!({ "model_type": "llama", "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "relu", "hidden_size": 8192, "intermediate_size": 28672,
        "max_position_embeddings": 2048, "num_attention_heads": 64, "num_hidden_layers": 80,
        "num_key_value_heads": 8, "pad_token_id": 0, "rms_norm_eps": 1e-05,
        "tie_word_embeddings": false, "vocab_size": 32000 });
    assert_eq!(heads(&read(config)), [64, 8, 128]);

    // SparseLLM/prosparse-llama-2-7b
    let config = json!({ "model_type": "sparsellama", "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "fatrelu", "hidden_act_param": 0.01, "hidden_size": 4096,
        "intermediate_size": 11008, "max_position_embeddings": 4096, "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1,
        "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
        "vocab_size": 32000, "max_length": 4096 });
    let prosparse = read(config);
    assert_eq!(prosparse.family, "llama");
    assert_eq!(prosparse.feed_forward.activation, Activation::FatRelu(0.01));
    assert_eq!(prosparse.attention.rotary.unwrap().theta, 10000.0);
}

#[test]
fn llama_3() {
    // meta-llama/Llama-3.1-8B, as its instruct form ends texts.
    let config = json!({ "model_type": "llama", "attention_bias": false, "bos_token_id": 128000,
        "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096,
        "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": { "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3" },
        "rope_theta": 500000.0, "tie_word_embeddings": false, "vocab_size": 128256 });
    let llama = read(config);
    assert_eq!(sizes(&llama), [32, 4096, 14336, 128_256, 131_072]);
    assert_eq!(heads(&llama), [32, 8, 128]);
    let rotary = llama.attention.rotary.unwrap();
    let scale = RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_context: 8192 };
    assert_eq!((rotary.theta, rotary.scale), (500_000.0, scale));
    assert_eq!(llama.begin_of_text, Some(128_000));
    assert_eq!(llama.end_of_text, [128_001, 128_008, 128_009]);
}

#[test]
fn mistral_and_qwen() {
    // mistralai/Mistral-7B-v0.1
    let config = json!({ "model_type": "mistral", "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
        "max_position_embeddings": 32768, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
        "sliding_window": 4096, "tie_word_embeddings": false, "vocab_size": 32000 });
    let mistral = read(config);
    assert_eq!(
        (heads(&mistral), mistral.attention.window.clone()),
        ([32, 8, 128], Some(4096).into())
    );

    // Qwen/Qwen2-7B
    let config = json!({ "model_type": "qwen2", "bos_token_id": 151643, "eos_token_id": 151643,
        "hidden_act": "silu", "hidden_size": 3584, "intermediate_size": 18944,
        "max_position_embeddings": 131072, "max_window_layers": 28, "num_attention_heads": 28,
        "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 131072, "tie_word_embeddings": false,
        "use_sliding_window": false, "vocab_size": 152064 });
    let qwen = read(config);
    assert_eq!((heads(&qwen), qwen.attention.window.clone()), ([28, 4, 128], None.into()));
    assert!(qwen.attention.biases.into && !qwen.attention.biases.out);

    // Qwen/Qwen3-8B
    let config = json!({ "model_type": "qwen3", "attention_bias": false, "bos_token_id": 151643,
        "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096,
        "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 36,
        "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
        "sliding_window": null, "tie_word_embeddings": false, "use_sliding_window": false,
        "vocab_size": 151936 });
    let qwen = read(config);
    assert_eq!((heads(&qwen), sizes(&qwen)[2]), ([32, 8, 128], 12288));
    assert!(qwen.attention.head_norm.is_some() && !qwen.attention.biases.into);
}
