//! What configurations mean: defaults, settings without effect, both layouts of the rotary settings.

use flint_model::{
    Activation, Architecture, Description, NormKind, PerLayer, Residual, RotaryScaling, describe,
};
use serde_json::{Value, json};

/// A small configuration of a family, with more settings over it.
pub(crate) fn config(kind: &str, more: &Value) -> Value {
    let mut config = json!({ "model_type": kind, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 128 });
    match kind {
        "opt" => config["ffn_dim"] = 256.into(),
        "falcon" => {}
        _ => config["intermediate_size"] = 256.into(),
    }
    if kind == "qwen3" {
        config["head_dim"] = 16.into();
    }
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn read(kind: &str, more: Value) -> Architecture {
    describe(config(kind, &more).to_string().as_bytes()).unwrap().1
}

#[test]
fn absent_settings_have_the_default_of_their_family() {
    let llama = read("llama", json!({}));
    assert_eq!(llama.norm, NormKind::Rms { epsilon: 1e-6 });
    assert_eq!(llama.attention.kv_heads, 4);
    assert_eq!(llama.attention.rotary.as_ref().unwrap().theta, 10000.0);
    assert!(!llama.head.tied);
    assert_eq!((llama.begin_of_text, llama.end_of_text), (Some(1), vec![2]));

    let falcon = read("falcon", json!({}));
    assert_eq!(falcon.feed_forward.neurons, PerLayer::Same(256));
    assert_eq!(falcon.feed_forward.activation, Activation::Gelu);
    assert_eq!((falcon.attention.kv_heads, falcon.residual), (1, Residual::ParallelOneNorm));
    assert!(falcon.head.tied && !falcon.attention.biases.into);
    assert_eq!((falcon.begin_of_text, falcon.end_of_text), (None, vec![11]));

    let persimmon = read("persimmon", json!({}));
    let rotary = persimmon.attention.rotary.unwrap();
    assert_eq!((rotary.dims, rotary.theta), (8, 25000.0));
    assert_eq!(persimmon.feed_forward.activation, Activation::SquaredRelu);
    assert!(persimmon.attention.head_norm.is_some());

    let phi = read("phi", json!({}));
    assert_eq!(phi.attention.rotary.unwrap().dims, 8);
    assert_eq!(phi.feed_forward.activation, Activation::GeluTanh);
    assert!(phi.head.bias && phi.attention.head_norm.is_none());

    let gemma = read("gemma2", json!({}));
    assert_eq!((gemma.attention.head_dim, gemma.attention.scale), (256, Some(1.0 / 16.0)));
    assert_eq!((gemma.attention.softcap, gemma.head.softcap), (Some(50.0), Some(30.0)));
    assert!(gemma.head.tied && gemma.norm_plus_one && gemma.embedding.scale == 8.0);
    assert_eq!(gemma.attention.window, PerLayer::of(vec![Some(4096), None]));
    let uncapped = json!({ "attn_logit_softcapping": null, "final_logit_softcapping": null });
    assert_eq!(read("gemma2", uncapped).attention.softcap, None);

    let gemma = read("gemma3_text", json!({ "num_hidden_layers": 6 }));
    let windows = [[Some(4096)].repeat(5), vec![None]].concat();
    assert_eq!(gemma.attention.window, PerLayer::of(windows));
    let theta = |rotary: Option<flint_model::RotaryPositions>| rotary.unwrap().theta;
    assert_eq!(theta(gemma.attention.rotary), 1_000_000.0);
    assert_eq!(theta(gemma.attention.local_rotary), 10_000.0);
    assert_eq!((gemma.attention.softcap, gemma.head.softcap), (None, None));

    let phi = read("phi3", json!({}));
    assert_eq!((phi.norm, phi.attention.window), (NormKind::Rms { epsilon: 1e-5 }, None.into()));

    let context = |kind| read(kind, json!({ "max_position_embeddings": null })).context;
    let kinds = ["llama", "falcon", "phi", "persimmon", "mistral", "qwen2", "qwen3"];
    assert_eq!(kinds.map(context), [2048, 2048, 2048, 16384, 131_072, 32_768, 32_768]);
    assert_eq!(read("mistral", json!({})).attention.window, Some(4096).into());
    assert_eq!(read("mistral", json!({ "sliding_window": null })).attention.window, None.into());
    assert_eq!(read("qwen2", json!({})).begin_of_text, None);
    assert_eq!(read("opt", json!({})).begin_of_text, Some(2));
}

#[test]
fn settings_without_effect_have_none() {
    for more in [
        json!({ "use_sliding_window": false, "sliding_window": 8, "max_window_layers": 1 }),
        json!({ "sliding_window": 8 }),
        json!({ "use_sliding_window": true, "sliding_window": null }),
        json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 2 }),
        json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 0,
            "layer_types": ["full_attention", "full_attention"] }),
    ] {
        assert_eq!(read("qwen2", more.clone()).attention.window, None.into(), "{more}");
        assert_eq!(read("qwen3", more.clone()).attention.window, None.into(), "{more}");
    }
    // The old layout has one key and value head whatever it says of their number.
    assert_eq!(read("falcon", json!({ "num_kv_heads": 4 })).attention.kv_heads, 1);
    assert_eq!(read("llama", json!({ "pretraining_tp": 2 })), read("llama", json!({})));
    assert_eq!(read("opt", json!({ "intermediate_size": 7 })), read("opt", json!({})));
}

#[test]
fn a_window_on_every_layer_is_one() {
    let all = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 0 });
    assert_eq!(read("qwen2", all).attention.window, Some(8).into());
    let listed = json!({ "use_sliding_window": true, "sliding_window": 8,
        "layer_types": ["sliding_attention", "sliding_attention"] });
    assert_eq!(read("qwen2", listed).attention.window, Some(8).into());
    let mistral = read("mistral", json!({ "sliding_window": 10 }));
    assert_eq!(mistral.attention.window, Some(10).into());
}

#[test]
fn a_window_on_some_layers_is_theirs() {
    let upper = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1 });
    let listed = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 0,
        "layer_types": ["full_attention", "sliding_attention"] });
    for kind in ["qwen2", "qwen3"] {
        for more in [&upper, &listed] {
            let read = read(kind, more.clone());
            assert_eq!([read.window(0), read.window(1)], [None, Some(8)], "{kind}: {more}");
            assert_eq!(Architecture::from_json(&read.to_json()).unwrap(), read);
        }
    }
}

#[test]
fn both_layouts_of_rotary_settings_mean_the_same() {
    let rotary = |kind, more| read(kind, more).attention.rotary.unwrap();
    let inner = json!({ "rope_type": "linear", "factor": 4.0 });
    let older = rotary("llama", json!({ "rope_theta": 500.0, "rope_scaling": inner }));
    assert_eq!((older.theta, older.scale), (500.0, RotaryScaling::Linear { factor: 4.0 }));
    let inner = json!({ "type": "linear", "factor": 4 });
    assert_eq!(rotary("llama", json!({ "rope_theta": 500, "rope_scaling": inner })), older);
    let inner = json!({ "rope_type": "linear", "factor": 4.0, "rope_theta": 500.0 });
    assert_eq!(rotary("llama", json!({ "rope_parameters": inner })), older);
    for none in [json!(null), json!({}), json!({ "rope_type": "default" })] {
        assert_eq!(rotary("llama", json!({ "rope_scaling": none })).scale, RotaryScaling::None);
    }
    let part = json!({ "partial_rotary_factor": 0.75 });
    assert_eq!(rotary("phi", part.clone()).dims, 12);
    assert_eq!(rotary("phi", json!({ "rope_parameters": part })).dims, 12);
    // Rounded down: 0.4 x 16 is 6.4.
    assert_eq!(rotary("phi", json!({ "partial_rotary_factor": 0.4 })).dims, 6);

    let llama3 = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192 });
    let scale = rotary("llama", json!({ "rope_scaling": llama3 })).scale;
    let expected =
        RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_context: 8192 };
    assert_eq!(scale, expected);
}

#[test]
fn yarn_is_read_with_its_magnitude() {
    let rotary = |more| read("qwen2", json!({ "rope_scaling": more })).attention.rotary.unwrap();
    // As the card of Qwen 2.5 tells its users to write it.
    let read =
        rotary(json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 }));
    let expected = RotaryScaling::Yarn {
        factor: 4.0,
        fast: 32.0,
        slow: 1.0,
        original_context: 32768,
        rounded: true,
    };
    assert_eq!(read.scale, expected);
    assert!((read.magnitude.unwrap() - (0.1 * 4f64.ln() + 1.0)).abs() < 1e-12);
    let given = json!({ "rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5, "truncate": false,
        "original_max_position_embeddings": 32768, "beta_fast": 16, "beta_slow": 2 });
    let read = rotary(given);
    assert_eq!(read.magnitude, Some(1.5));
    let RotaryScaling::Yarn { fast, slow, rounded, .. } = read.scale else { panic!() };
    assert_eq!((fast, slow, rounded), (16.0, 2.0, false));
    // DeepSeek's two weights cancel where they are equal.
    let equal = json!({ "type": "yarn", "factor": 40, "mscale": 0.7, "mscale_all_dim": 0.7,
        "original_max_position_embeddings": 4096 });
    assert!((rotary(equal).magnitude.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn longrope_has_factors_for_short_contexts_and_for_long_ones() {
    let (short, long) = (vec![1.5; 8], vec![2.5; 8]);
    let section = json!({ "type": "longrope", "short_factor": short, "long_factor": long });
    let config = json!({ "rope_scaling": section, "original_max_position_embeddings": 4096,
        "max_position_embeddings": 131_072, "bos_token_id": 1, "eos_token_id": 2 });
    let rotary = read("phi3", config).attention.rotary.unwrap();
    assert_eq!(rotary.factors_in(4096), [1.5; 8]);
    assert_eq!(rotary.factors_in(4097), [2.5; 8]);
    let magnitude = (1.0 + 32f64.ln() / 4096f64.ln()).sqrt();
    assert!((rotary.magnitude.unwrap() - magnitude).abs() < 1e-12);
}

#[test]
fn activations_go_by_every_name_they_have() {
    let activation = |name: &str| {
        read("llama", json!({ "hidden_act": name, "hidden_act_param": 0.5 }))
            .feed_forward
            .activation
    };
    for (names, expected) in [
        (&["relu"][..], Activation::Relu),
        (&["relu2"], Activation::SquaredRelu),
        (&["fatrelu"], Activation::FatRelu(0.5)),
        (&["silu", "swish"], Activation::Silu),
        (&["gelu"], Activation::Gelu),
        (&["gelu_new", "gelu_pytorch_tanh", "gelu_fast"], Activation::GeluTanh),
    ] {
        names.iter().for_each(|name| assert_eq!(activation(name), expected, "{name}"));
    }
}

#[test]
fn the_checkpoints_of_prosparse_are_llamas() {
    assert_eq!(read("sparsellama", json!({})), read("llama", json!({})));
}

#[test]
fn the_files_beside_it_say_how_texts_begin_and_end() {
    let read = |kind: &str, generation: Value, tokenizer: Value| {
        let config = config(kind, &json!({ "bos_token_id": 3, "eos_token_id": [4] })).to_string();
        let (generation, tokenizer) = (generation.to_string(), tokenizer.to_string());
        let description = Description {
            config: config.as_bytes(),
            generation_config: Some(generation.as_bytes()),
            tokenizer_config: Some(tokenizer.as_bytes()),
        };
        let architecture = description.read().unwrap().1;
        (architecture.begin_of_text, architecture.end_of_text)
    };
    let more = json!({ "eos_token_id": [5, 4], "temperature": 0.1 });
    assert_eq!(read("qwen2", more, json!({})), (None, vec![4, 5]));
    assert_eq!(read("qwen2", json!({}), json!({ "add_bos_token": true })), (Some(3), vec![4]));
    assert_eq!(read("llama", json!({}), json!({ "add_bos_token": false })), (None, vec![4]));
    assert_eq!(read("llama", json!({}), json!({ "add_bos_token": null })), (Some(3), vec![4]));
}

#[test]
fn a_description_comes_back_from_its_json() {
    for kind in ["opt", "falcon", "persimmon", "phi", "llama", "mistral", "qwen2", "qwen3"] {
        let architecture = read(kind, json!({}));
        assert_eq!(Architecture::from_json(&architecture.to_json()).unwrap(), architecture);
        assert_eq!(architecture.family, kind);
    }
    assert!(Architecture::from_json("{}").unwrap_err().to_string().contains("stored architecture"));
}

#[test]
fn what_was_written_when_all_layers_were_alike_is_read_back() {
    let uniform = read("mistral", json!({}));
    let mut text: Value = serde_json::from_str(&uniform.to_json()).unwrap();
    assert_eq!(text["attention"]["window"], json!(4096));
    assert_eq!(text["feed_forward"]["neurons"], json!(256));
    text["attention"].as_object_mut().unwrap().remove("window");
    let without = Architecture::from_json(&text.to_string()).unwrap();
    assert_eq!(without.attention.window, None.into());

    text["attention"]["window"] = json!([null, 7]);
    text["feed_forward"]["neurons"] = json!([256, 128]);
    let apart = Architecture::from_json(&text.to_string()).unwrap();
    assert_eq!([apart.window(0), apart.window(1)], [None, Some(7)]);
    assert_eq!([apart.neurons(0), apart.neurons(1), apart.most_neurons()], [256, 128, 256]);
    let said = apart.shape(flint_geometry::DType::F32).unwrap_err().to_string();
    assert!(said.contains("the same in all layers"), "{said}");
}

/// The words of bundles that earlier versions wrote.
#[test]
fn the_text_of_an_old_bundle_is_read() {
    let text = r#"{"family":"llama","vocabulary":100,"hidden":64,"layers":2,"context":128,
        "embedding":{"width":64,"learned_positions":null},"norm":{"Rms":{"epsilon":1e-6}},
        "norm_place":"Before","residual":"Serial","final_norm":true,
        "attention":{"heads":4,"kv_heads":4,"head_dim":16,"rotary":{"dims":16,"theta":10000.0,
            "scale":{"Llama3":{"factor":8.0,"low":1.0,"high":4.0,"original_context":8192}}},
            "head_norm":null,"window":null,"biases":{"into":false,"out":false}},
        "feed_forward":{"neurons":256,"gated":true,"activation":{"FatRelu":0.5},
            "biases":{"into":false,"out":false}},
        "head":{"tied":false,"bias":false,"scale":1.0},"begin_of_text":1,"end_of_text":[2]}"#;
    let read = Architecture::from_json(text).unwrap();
    assert_eq!(read.feed_forward.activation, Activation::FatRelu(0.5));
    let scale = RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_context: 8192 };
    assert_eq!(read.attention.rotary.as_ref().unwrap().scale, scale);
    let (again, before): (Value, Value) =
        (serde_json::from_str(&read.to_json()).unwrap(), serde_json::from_str(text).unwrap());
    assert_eq!(again["attention"], before["attention"]);
    assert_eq!(again["feed_forward"], before["feed_forward"]);
}
