//! What checkpoints are made of: shards and their index, encodings, the files that say how texts end.

use super::{copy, refusal};
use crate::families::{TOLERANCE, all_logits, converted, distance};
use crate::model::{load, options};
use flint_engine::OpenModel;
use flint_fixtures::{OracleReference, oracle};
use flint_geometry::DType;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize_to_file};
use std::fs;
use std::path::Path;

#[test]
fn an_index_cannot_name_files_elsewhere_and_shards_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    copy(&oracle("llama-gqa-sharded"), dir.path());
    let index = dir.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::remove_file(dir.path().join("model-00003-of-00004.safetensors")).unwrap();
    assert!(refusal(dir.path()).to_string().contains("model-00003-of-00004.safetensors"));
    fs::write(&index, text.replace("model-00003", "../model-00003")).unwrap();
    assert!(refusal(dir.path()).to_string().contains("outside the checkpoint"));
}

#[test]
fn a_configuration_that_contradicts_its_tensors_names_both_shapes() {
    for (name, from, to, said) in [
        ("llama-2", "\"vocab_size\": 400", "\"vocab_size\": 401", "[400, 64]"),
        (
            "llama-gqa-sharded",
            "\"num_key_value_heads\": 2",
            "\"num_key_value_heads\": 4",
            "[32, 64]",
        ),
        // The fused matrix is larger than what it would be: nothing may be picked out of it.
        ("falcon-40b-relu", "\"num_kv_heads\": 2", "\"num_kv_heads\": 1", "[144, 96]"),
        ("falcon-7b-relu", "\"multi_query\": true", "\"multi_query\": false", "[96, 64]"),
        ("phi-2-relu", "\"intermediate_size\": 256", "\"intermediate_size\": 255", "[256, 64]"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        copy(&oracle(name), dir.path());
        let config = fs::read_to_string(dir.path().join("config.json")).unwrap();
        assert!(config.contains(from), "{name}");
        fs::write(dir.path().join("config.json"), config.replace(from, to)).unwrap();
        let refused = refusal(dir.path()).to_string();
        assert!(refused.contains(said) && refused.contains("config.json says ["), "{refused}");
    }
}

/// Writes the tensors of the reference `name` again, each encoded as `encode` says for its name.
fn recoded(name: &str, dir: &Path, encode: impl Fn(&str) -> Dtype) {
    let bytes = fs::read(oracle(name).join("model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let coded: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = stored
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let target = encode(&name);
            let numbers = view.data().chunks(2).map(|pair| bf16::from_le_bytes([pair[0], pair[1]]));
            let data = numbers.map(bf16::to_f32).flat_map(|number| match target {
                Dtype::F16 => f16::from_f32(number).to_le_bytes().to_vec(),
                Dtype::BF16 => bf16::from_f32(number).to_le_bytes().to_vec(),
                _ => number.to_le_bytes().to_vec(),
            });
            let data = data.collect();
            (name, target, view.shape().to_vec(), data)
        })
        .collect();
    let views = coded.iter().map(|(name, dtype, dims, data)| {
        (name.as_str(), TensorView::new(*dtype, dims.clone(), data).unwrap())
    });
    serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
    fs::copy(oracle(name).join("config.json"), dir.join("config.json")).unwrap();
}

#[test]
fn mixed_encodings_are_kept_and_give_the_same_logits() {
    let reference = OracleReference::read(&oracle("llama-relu")).unwrap();
    let prompt = &reference.prompts[1];
    let mixed = |name: &str| match name {
        name if name.contains("norm") => Dtype::F32,
        name if name.contains("up_proj") => Dtype::F16,
        name if name.contains("q_proj") => Dtype::F16,
        _ => Dtype::BF16,
    };
    let dir = tempfile::tempdir().unwrap();
    recoded("llama-relu", dir.path(), mixed);
    let bundle = converted(dir.path(), dir.path());
    let files = OpenModel::open(&bundle).unwrap();
    // The three rows of a neuron are one record: wide enough for each of them.
    assert_eq!(files.bundle().unwrap().shape().record.element(), DType::F32);
    let element = |name: &str| files.bundle().unwrap().tensor(name).unwrap().element;
    assert_eq!(element("layers.0.query.weight"), DType::F16);
    assert_eq!(element("layers.0.key.weight"), DType::Bf16);
    let rows = all_logits(&mut load(&bundle, &options(100.0), 8, None), &prompt.ids);
    for (row, expected) in rows.iter().zip(prompt.logits_all.as_ref().unwrap()) {
        // Halves hold the numbers of the reference all but the smallest.
        assert!(distance(row, expected) <= TOLERANCE, "{}", distance(row, expected));
    }
}

#[test]
fn the_files_beside_the_configuration_say_how_texts_begin_and_end() {
    let dir = tempfile::tempdir().unwrap();
    copy(&oracle("qwen2"), dir.path());
    let read = |dir: &Path| OpenModel::open(&converted(dir, dir)).unwrap().architecture().clone();
    let plain = read(dir.path());
    assert_eq!((plain.begin_of_text, plain.end_of_text), (None, vec![4, 3]));
    for (name, begins, expected) in [
        ("qwen2", true, Some(3)),
        ("qwen2", false, None),
        ("llama-2", false, None),
        ("llama-2", true, Some(1)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        copy(&oracle(name), dir.path());
        let text = format!("{{\"add_bos_token\": {begins}}}");
        fs::write(dir.path().join("tokenizer_config.json"), text).unwrap();
        assert_eq!(read(dir.path()).begin_of_text, expected, "{name} {begins}");
    }
}
