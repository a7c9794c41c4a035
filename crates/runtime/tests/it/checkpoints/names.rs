//! Tensors by other names than a configuration promises: models saved without their head, tensors that nobody
//! announced, shards in folders.

use super::copy;
use crate::families::converted;
use crate::model::{all_logits, load, options};
use flint_convert::{ConvertEvent, ConvertOptions, convert};
use flint_engine::{Engine, OpenModel};
use flint_fixtures::oracle;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize_to_file};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn loaded(model: &Path) -> Engine {
    load(model, &options(100.0), 8, None)
}

/// Writes the reference `name` into `dir`, its tensors named as `rename` says, with one more where `more` names it.
fn renamed(name: &str, dir: &Path, rename: impl Fn(&str) -> String, more: Option<&str>) {
    let bytes = fs::read(oracle(name).join("model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let added = TensorView::new(Dtype::F16, vec![64], &[0; 128]).unwrap();
    let tensors = stored.tensors().into_iter().map(|(name, view)| (rename(&name), view));
    let tensors = tensors.chain(more.map(|name| (name.to_owned(), added)));
    serialize_to_file(tensors, None, &dir.join("model.safetensors")).unwrap();
    fs::copy(oracle(name).join("config.json"), dir.join("config.json")).unwrap();
}

#[test]
fn models_saved_without_their_head_run_in_every_family() {
    for name in [
        "llama-2",
        "falcon-7b-relu",
        "opt-post-ln-free",
        "persimmon-8b-relu2",
        "phi-2-relu",
        "qwen3",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let short = |name: &str| {
            let short = ["model.", "transformer."].iter().find_map(|it| name.strip_prefix(it));
            short.unwrap_or(name).to_owned()
        };
        renamed(name, dir.path(), short, None);
        let expected = all_logits(&mut loaded(&oracle(name)), &[1, 2, 3]).unwrap();
        assert_eq!(all_logits(&mut loaded(dir.path()), &[1, 2, 3]).unwrap(), expected, "{name}");
        let bundle = converted(dir.path(), dir.path());
        let expected = {
            let dir = tempfile::tempdir().unwrap();
            all_logits(&mut loaded(&converted(&oracle(name), dir.path())), &[1, 2, 3]).unwrap()
        };
        assert_eq!(all_logits(&mut loaded(&bundle), &[1, 2, 3]).unwrap(), expected, "{name}");
    }
}

#[test]
fn tensors_that_nobody_announced_are_told() {
    let bias = "model.layers.0.self_attn.q_proj.bias";
    let dir = tempfile::tempdir().unwrap();
    renamed("llama-2", dir.path(), str::to_owned, Some(bias));
    assert_eq!(OpenModel::open(dir.path()).unwrap().unused_tensors().names(), [bias]);
    let told = |dir: &Path| {
        let mut told = Vec::new();
        let options = ConvertOptions {
            checkpoint: dir.to_owned(),
            out: dir.join("model.flint"),
            element: None,
            force: true,
            cancel: flint_engine::CancelToken::default(),
        };
        convert(&options, &mut |event| {
            if let ConvertEvent::LeftOut(unused) = event {
                told.extend(unused.names().to_vec());
            }
        })
        .unwrap();
        told
    };
    assert_eq!(told(dir.path()), [bias]);
    // A layer that the configuration does not count.
    let dir = tempfile::tempdir().unwrap();
    copy(&oracle("llama-2"), dir.path());
    let config = fs::read(dir.path().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    let layers = config["num_hidden_layers"].as_u64().unwrap();
    config["num_hidden_layers"] = json!(layers - 1);
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let last = format!("model.layers.{}.", layers - 1);
    let told = told(dir.path());
    assert!(told.len() == 9 && told.iter().all(|name| name.starts_with(&last)), "{told:?}");
}

#[test]
fn no_reference_has_a_tensor_too_many() {
    for entry in fs::read_dir(flint_fixtures::root().join("oracle")).unwrap() {
        let path = entry.unwrap().path();
        let files = OpenModel::open(&path).unwrap();
        assert_eq!(files.unused_tensors().names(), [""; 0], "{}", path.display());
    }
    for entry in fs::read_dir(flint_fixtures::root().join("gguf")).unwrap() {
        let folder = entry.unwrap().path();
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|it| it == "gguf"));
        names.sort();
        // The vocabularies have no tensors.
        let Some(first) = names.first().filter(|_| !folder.ends_with("vocabularies")) else {
            continue;
        };
        let files = OpenModel::open(first).unwrap();
        assert_eq!(files.unused_tensors().names(), [""; 0], "{}", first.display());
    }
}

#[test]
fn shards_may_be_written_with_a_dot_and_lie_in_folders() {
    let dir = tempfile::tempdir().unwrap();
    copy(&oracle("llama-gqa-sharded"), dir.path());
    let index = dir.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::create_dir(dir.path().join("part")).unwrap();
    let (third, moved) =
        ("model-00003-of-00004.safetensors", "part/model-00003-of-00004.safetensors");
    fs::rename(dir.path().join(third), dir.path().join(moved)).unwrap();
    // Both ways to write the first name are one file.
    let text = text.replace("model-00003", "part/model-00003");
    let text = text.replacen("\"model-00001", "\"./model-00001", 1);
    assert!(text.contains("\"./model-00001") && text.contains("\"model-00001"));
    fs::write(&index, text).unwrap();
    let expected = all_logits(&mut loaded(&oracle("llama-gqa-sharded")), &[1, 2, 3]).unwrap();
    assert_eq!(all_logits(&mut loaded(dir.path()), &[1, 2, 3]).unwrap(), expected);
}
