//! Random checkpoints of every family in shapes that nobody publishes, against the decoder in f64.

use super::checkpoint::{BF16, Encoding, F16, F32, write};
use super::decode::logits;
use super::{Matrix, Residual, Spec, Weights, layouts};
use crate::families::{TOLERANCE, all_logits, converted, distance};
use crate::model::{load, options};
use serde_json::{Value, json};

/// A text that uses tokens again; every vocabulary here is larger.
const TEXT: [u32; 14] = [3, 70, 12, 12, 55, 0, 41, 28, 3, 70, 12, 9, 62, 71];

/// How a family lays out its tensors.
type Layout = fn(&Spec, &Weights) -> Vec<(String, Matrix)>;

/// Converts random weights in the layout of a family and compares logits at every position.
fn check(spec: &Spec, layout: Layout, config: &Value, encoding: Encoding, seed: u64) {
    let weights = spec.weights(seed, encoding.round);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), config, &layout(spec, &weights), encoding);
    let bundle = converted(dir.path(), dir.path());
    let mut engine = load(&bundle, &options(1000.0), TEXT.len(), None);
    let expected = logits(spec, &weights, &TEXT);
    for (position, (row, expected)) in
        all_logits(&mut engine, &TEXT).iter().zip(&expected).enumerate()
    {
        let expected: Vec<f32> = expected.iter().map(|&logit| logit as f32).collect();
        let far = distance(row, &expected);
        assert!(far <= TOLERANCE, "position {position} differs by {far}");
    }
}

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

fn gelu(x: f64) -> f64 {
    // The series of erf, which has all digits that f32 has as far out as they differ from 1.
    let z = (x / 2f64.sqrt()).clamp(-4.5, 4.5);
    let mut term = z;
    let mut sum = 0.0;
    for n in 0..120 {
        sum += term / f64::from(2 * n + 1);
        term *= -z * z / f64::from(n + 1);
    }
    0.5 * x * (1.0 + 2.0 / std::f64::consts::PI.sqrt() * sum)
}

/// Radians per position of a pair, by the base `theta`.
fn plain(theta: f64, pair: usize, pairs: usize) -> f64 {
    theta.powf(-(pair as f64) / pairs as f64)
}

/// A gated model with grouped heads; sizes are multiples of nothing.
fn gated() -> Spec {
    Spec {
        vocabulary: 77,
        hidden: 45,
        layers: 2,
        heads: 9,
        kv_heads: 3,
        head_dim: 6,
        neurons: 101,
        gated: true,
        activation: silu,
        layer_norm: false,
        epsilon: 1e-5,
        residual: Residual::Serial,
        rotated: 6,
        frequency: |pair, pairs| plain(10000.0, pair, pairs),
        window: usize::MAX,
        head_norm: false,
        biases: [false; 4],
        tied: false,
        head_bias: false,
        learned_from: None,
    }
}

/// What the configurations of families like Llama have in common for a shape.
fn config(spec: &Spec, kind: &str, more: &Value) -> Value {
    let mut config = json!({
        "model_type": kind,
        "vocab_size": spec.vocabulary,
        "hidden_size": spec.hidden,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "intermediate_size": spec.neurons,
        "max_position_embeddings": 64,
        "rms_norm_eps": spec.epsilon,
        "layer_norm_eps": spec.epsilon,
        "tie_word_embeddings": spec.tied,
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

#[test]
fn llama_with_three_heads_to_one_and_heads_wider_than_the_state() {
    let spec = gated();
    let more = json!({ "head_dim": 6, "rope_scaling": { "type": "default" } });
    check(&spec, layouts::llama, &config(&spec, "llama", &more), F16, 1);
}

#[test]
fn llama_with_five_heads_to_one_biases_everywhere_and_linear_scaling() {
    let spec = Spec {
        hidden: 40,
        heads: 10,
        kv_heads: 2,
        head_dim: 4,
        rotated: 4,
        neurons: 67,
        biases: [true; 4],
        tied: true,
        frequency: |pair, pairs| plain(500.0, pair, pairs) / 2.5,
        ..gated()
    };
    let more = json!({ "rope_theta": 500, "rope_scaling": { "type": "linear", "factor": 2.5 },
        "attention_bias": true, "mlp_bias": true });
    check(&spec, layouts::llama, &config(&spec, "llama", &more), BF16, 2);
}

#[test]
fn llama_3_scales_long_waves_and_blends_those_between() {
    let spec = Spec {
        hidden: 64,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        rotated: 16,
        frequency: |pair, pairs| {
            let plain = plain(5000.0, pair, pairs);
            let (factor, low, high, context) = (8.0, 1.0, 4.0, 32.0);
            let wave = 2.0 * std::f64::consts::PI / plain;
            if wave < context / high {
                plain
            } else if wave > context / low {
                plain / factor
            } else {
                let smooth = (context / wave - low) / (high - low);
                (1.0 - smooth) * plain / factor + smooth * plain
            }
        },
        ..gated()
    };
    let scaling = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32 });
    let older = json!({ "rope_theta": 5000.0, "rope_scaling": scaling.clone() });
    check(&spec, layouts::llama, &config(&spec, "llama", &older), F32, 3);
    let mut parameters = scaling;
    parameters["rope_theta"] = 5000.0.into();
    let newer = json!({ "rope_parameters": parameters });
    check(&spec, layouts::llama, &config(&spec, "llama", &newer), F32, 3);
}

#[test]
fn prosparse_cuts_the_gate_at_its_threshold() {
    let spec = Spec { activation: |x| if x > 0.25 { x } else { 0.0 }, neurons: 99, ..gated() };
    let more = json!({ "head_dim": 6, "hidden_act": "fatrelu", "hidden_act_param": 0.25 });
    for kind in ["llama", "sparsellama"] {
        check(&spec, layouts::llama, &config(&spec, kind, &more), F16, 4);
    }
}

#[test]
fn mistral_sees_a_window() {
    let spec = Spec { window: 5, activation: relu, ..gated() };
    let more = json!({ "head_dim": 6, "sliding_window": 5, "hidden_act": "relu" });
    check(&spec, layouts::llama, &config(&spec, "mistral", &more), BF16, 5);
}

#[test]
fn qwen2_has_biases_going_in_and_a_window_on_all_layers_when_switched_on() {
    let spec = Spec { hidden: 54, biases: [true, false, false, false], window: 4, ..gated() };
    let more = json!({ "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 0 });
    check(&spec, layouts::llama, &config(&spec, "qwen2", &more), F16, 6);
}

#[test]
fn qwen3_norms_heads_that_are_narrower_than_their_share() {
    let spec = Spec {
        hidden: 70,
        heads: 5,
        kv_heads: 1,
        head_dim: 10,
        rotated: 10,
        head_norm: true,
        ..gated()
    };
    let more = json!({ "head_dim": 10, "rope_parameters": { "rope_type": "default" } });
    check(&spec, layouts::llama, &config(&spec, "qwen3", &more), BF16, 7);
}

/// A plain feed-forward with layer norms.
fn ungated() -> Spec {
    Spec { gated: false, layer_norm: true, activation: relu, hidden: 54, ..gated() }
}

#[test]
fn phi_with_grouped_heads_norms_on_them_and_an_odd_part_rotated() {
    let spec = Spec {
        hidden: 90,
        head_dim: 10,
        rotated: 6,
        activation: gelu_tanh,
        residual: Residual::OneNorm,
        head_norm: true,
        biases: [true; 4],
        head_bias: true,
        ..ungated()
    };
    // 0.69 x 10 is rounded down.
    let more = json!({ "partial_rotary_factor": 0.69, "qk_layernorm": true });
    check(&spec, layouts::phi, &config(&spec, "phi", &more), F16, 8);
}

#[test]
fn persimmon_with_heads_of_odd_number_and_no_norms_on_them() {
    let spec = Spec {
        kv_heads: 9,
        rotated: 2,
        activation: |x| relu(x) * relu(x),
        biases: [true; 4],
        frequency: |pair, pairs| plain(25000.0, pair, pairs),
        ..ungated()
    };
    let more = json!({ "qk_layernorm": false, "partial_rotary_factor": 0.4,
        "rope_theta": 25000.0, "hidden_act": "relu2" });
    check(&spec, layouts::persimmon, &config(&spec, "persimmon", &more), BF16, 9);
    let normed = Spec { head_norm: true, ..spec };
    let more = json!({ "rope_parameters": { "partial_rotary_factor": 0.4, "rope_theta": 25000 } });
    check(&normed, layouts::persimmon, &config(&normed, "persimmon", &more), BF16, 10);
}

fn falcon_config(spec: &Spec, more: &Value) -> Value {
    let mut all = json!({ "layer_norm_epsilon": 1e-5, "ffn_hidden_size": spec.neurons,
        "num_kv_heads": spec.kv_heads });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    config(spec, "falcon", &all)
}

#[test]
fn falcon_of_the_new_layout_with_groups_of_three_and_one_or_two_norms() {
    let spec = Spec { residual: Residual::TwoNorms, tied: true, activation: gelu, ..ungated() };
    let more = json!({ "new_decoder_architecture": true });
    check(&spec, layouts::falcon, &falcon_config(&spec, &more), BF16, 11);
    let one = Spec { residual: Residual::OneNorm, kv_heads: 1, tied: false, ..spec };
    let more = json!({ "new_decoder_architecture": true, "num_ln_in_parallel_attn": 1,
        "activation": "gelu" });
    check(&one, layouts::falcon, &falcon_config(&one, &more), BF16, 12);
}

#[test]
fn falcon_of_the_old_layout_in_parallel_or_one_after_the_other() {
    let spec = Spec { residual: Residual::OneNorm, kv_heads: 1, biases: [true; 4], ..ungated() };
    let more = json!({ "bias": true, "activation": "relu", "num_kv_heads": 9 });
    check(&spec, layouts::falcon, &falcon_config(&spec, &more), F16, 13);
    let serial = Spec { residual: Residual::Serial, kv_heads: 9, ..spec };
    let more = json!({ "bias": true, "activation": "relu", "multi_query": false,
        "parallel_attn": false });
    check(&serial, layouts::falcon, &falcon_config(&serial, &more), F32, 14);
}

#[test]
fn opt_without_biases_and_with_another_activation() {
    let spec = Spec {
        kv_heads: 9,
        rotated: 0,
        activation: gelu,
        learned_from: Some(2),
        tied: true,
        ..ungated()
    };
    let more = json!({ "ffn_dim": 101, "max_position_embeddings": 62, "enable_bias": false,
        "activation_function": "gelu" });
    check(&spec, layouts::opt, &config(&spec, "opt", &more), F16, 15);
}
