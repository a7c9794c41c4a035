//! Attacks by the architecture that a bundle holds: each number that anything is computed from is checked.

use crate::describe::config;
use flint_model::{Architecture, describe};
use serde_json::{Value, json};

/// A stored architecture of the family `kind`.
fn stored(kind: &str) -> Value {
    let (_, architecture) = describe(config(kind, &json!({})).to_string().as_bytes()).unwrap();
    serde_json::from_str(&architecture.to_json()).unwrap()
}

fn said(text: &str) -> String {
    let said = Architecture::from_json(text).expect_err(text).to_string();
    assert!(said.starts_with("the stored architecture"), "{said}");
    said
}

#[test]
fn every_number_that_is_wrong_is_named() {
    let far = json!(u64::MAX);
    for (kind, place, value, key) in [
        ("llama", "/layers", json!(0), "'layers' is 0"),
        ("llama", "/layers", json!(1 << 15), "'layers' is 32768"),
        ("llama", "/hidden", far.clone(), "'hidden' is 18446744073709551615"),
        ("llama", "/vocabulary", json!(0), "'vocabulary' is 0"),
        ("llama", "/context", far.clone(), "'context' is 18446744073709551615"),
        ("llama", "/embedding/width", json!(0), "'embedding.width' is 0"),
        ("llama", "/feed_forward/neurons", json!(1u64 << 40), "'feed_forward.neurons'"),
        ("llama", "/attention/heads", json!(0), "'attention.heads' is 0"),
        ("llama", "/attention/head_dim", json!(1 << 28), "'attention.head_dim' is 268435456"),
        ("llama", "/attention/kv_heads", json!(0), "'attention.kv_heads' is 0"),
        ("llama", "/attention/kv_heads", json!(3), "'attention.heads' is"),
        ("llama", "/attention/rotary/dims", json!(0), "'rotary.dims' is 0"),
        ("llama", "/attention/rotary/dims", json!(3), "'rotary.dims' is 3, expected even"),
        ("llama", "/attention/rotary/theta", json!(-1.0), "'rotary.theta' is -1"),
        ("llama", "/attention/rotary/theta", json!(0.0), "'rotary.theta' is 0"),
        ("llama", "/norm/Rms/epsilon", json!(-1.0), "'norm' is -1"),
        ("mistral", "/attention/window", json!(0), "'attention.window' is 0"),
        ("mistral", "/attention/window", json!([4, 0]), "'attention.window' is 0"),
        ("mistral", "/attention/window", json!([4]), "'attention.window' is a list of 1"),
        ("llama", "/feed_forward/neurons", json!([]), "'feed_forward.neurons' is a list of 0"),
        ("llama", "/feed_forward/neurons", json!([4, 4, 4]), "one value for each of 2 layers"),
        ("opt", "/embedding/learned_positions/offset", far, "'learned_positions.offset'"),
        ("opt", "/embedding/learned_positions/rows", json!(1), "'learned_positions.offset'"),
    ] {
        let mut changed = stored(kind);
        *changed.pointer_mut(place).expect(place) = value;
        let said = said(&changed.to_string());
        assert!(said.contains(key), "{place}: {said}");
    }
}

#[test]
fn sizes_whose_product_wraps_are_refused() {
    let mut huge = stored("llama");
    huge["layers"] = json!(1 << 14);
    huge["context"] = json!(1 << 28);
    huge["attention"]["heads"] = json!(1 << 10);
    huge["attention"]["kv_heads"] = json!(1 << 10);
    huge["attention"]["head_dim"] = json!(1 << 18);
    huge["attention"]["rotary"]["dims"] = json!(2);
    assert!(said(&huge.to_string()).contains("a KV cache of at most 2^56 numbers"));
}

#[test]
fn what_is_no_architecture_is_refused() {
    let whole = stored("llama").to_string();
    for text in [
        "",
        "[]",
        "null",
        &"[".repeat(1 << 20),
        &"{\"attention\":".repeat(1 << 18),
        &whole[..whole.len() - 1],
        &whole.replace("\"layers\":", "\"layers\":1,\"layers\":"),
        &whole.replace("\"layers\":", "\"layers\":-"),
        &whole.replace("\"layers\":", "\"layers\":1e9,\"l\":"),
    ] {
        said(text);
    }
}

#[test]
fn what_would_not_be_read_back_is_not_described() {
    for (kind, setting, value) in
        [("llama", "rms_norm_eps", 1e300), ("opt", "max_position_embeddings", 268_435_456.0)]
    {
        let text = config(kind, &json!({ setting: value })).to_string();
        let Ok((_, architecture)) = describe(text.as_bytes()) else { continue };
        assert_eq!(Architecture::from_json(&architecture.to_json()).unwrap(), architecture);
    }
    let text = config("llama", &json!({ "rms_norm_eps": 1e300 })).to_string();
    let said = describe(text.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("'rms_norm_eps' is 1e300") || said.contains("1e+300"), "{said}");
}
