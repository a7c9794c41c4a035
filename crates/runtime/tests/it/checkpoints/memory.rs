//! Memory while converting: one layer at a time, whatever the checkpoint.

use crate::families::converted;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const HIDDEN: usize = 1024;
const NEURONS: usize = 4096;
const LAYERS: usize = 6;
const VOCABULARY: usize = 2048;

/// Writes a checkpoint of zeros: a header, and a hole for the rest of the file. Returns the bytes of a layer.
fn zeros(dir: &Path) -> usize {
    let mut header = Map::new();
    let mut end = 0;
    let mut tensor = |name: String, dims: &[usize]| {
        let bytes = dims.iter().product::<usize>() * 2;
        let place = [end, end + bytes];
        header.insert(name, json!({ "dtype": "F16", "shape": dims, "data_offsets": place }));
        end += bytes;
        bytes
    };
    tensor("model.embed_tokens.weight".to_owned(), &[VOCABULARY, HIDDEN]);
    let mut layer_bytes = 0;
    for layer in 0..LAYERS {
        let mut inside = |part: &str, dims: &[usize]| {
            tensor(format!("model.layers.{layer}.{part}.weight"), dims)
        };
        let attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
            .map(|part| inside(&format!("self_attn.{part}"), &[HIDDEN, HIDDEN]));
        let norms =
            ["input_layernorm", "post_attention_layernorm"].map(|part| inside(part, &[HIDDEN]));
        let up = ["mlp.gate_proj", "mlp.up_proj"].map(|part| inside(part, &[NEURONS, HIDDEN]));
        let down = inside("mlp.down_proj", &[HIDDEN, NEURONS]);
        layer_bytes = attention.iter().chain(&norms).chain(&up).sum::<usize>() + down;
    }
    tensor("model.norm.weight".to_owned(), &[HIDDEN]);
    let config = json!({ "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 8, "intermediate_size": NEURONS, "vocab_size": VOCABULARY,
        "tie_word_embeddings": true });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let header = Value::Object(header).to_string();
    let mut file = File::create(dir.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    layer_bytes
}

#[test]
fn converting_holds_at_most_one_layer_and_the_embeddings() {
    let dir = tempfile::tempdir().unwrap();
    let layer = zeros(dir.path());
    let embeddings = VOCABULARY * HIDDEN * 2;
    let used = allocation_counter::measure(|| {
        converted(dir.path(), dir.path());
    });
    let most = layer + embeddings;
    assert!(used.bytes_max as usize <= most, "{} bytes of {most}", used.bytes_max);
}
