//! Stop texts that are special tokens: they are never shown, and end generation all the same.

use crate::command_line::json;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn a_special_token_stops_by_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = flint_fixtures::tiny_opt();
    let out = directory.path().join("special.flint");
    let options = flint_convert::ConvertOptions {
        checkpoint: special(&checkpoint, directory.path()),
        out: out.clone(),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    flint_convert::convert(&options, &mut |_| {}).unwrap();
    let model = out.to_str().unwrap();
    let run = |more: &[&str]| {
        let all = ["generate", "-m", model, "-p", "Once", "-n", "8", "--temp", "0", "--json"];
        json(&[&all[..], more].concat())
    };
    let whole = run(&[]);
    let third = whole["tokens"][2].as_u64().unwrap();
    let stopped = run(&["--stop", &format!("<|t{third}|>")]);
    let tokens = stopped["tokens"].as_array().unwrap();
    assert_eq!((tokens.len(), &stopped["finish"]), (3, &serde_json::json!("stop")));
}

/// A copy of a checkpoint in which every token is a special one.
fn special(checkpoint: &Path, directory: &Path) -> PathBuf {
    let copy = directory.join("checkpoint");
    std::fs::create_dir(&copy).unwrap();
    crate::checkpoints::copy(checkpoint, &copy);
    let file = copy.join("tokenizer.json");
    let mut text: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let config: Value =
        serde_json::from_slice(&std::fs::read(copy.join("config.json")).unwrap()).unwrap();
    let vocabulary = config["vocab_size"].as_u64().unwrap();
    let vocab: serde_json::Map<String, Value> =
        (0..vocabulary).map(|id| (format!("<|t{id}|>"), id.into())).collect();
    let added = (0..vocabulary).map(|id| {
        serde_json::json!({ "id": id, "content": format!("<|t{id}|>"), "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false })
    });
    text["model"] =
        serde_json::json!({ "type": "WordLevel", "vocab": vocab, "unk_token": "<|t0|>" });
    text["added_tokens"] = added.collect::<Vec<Value>>().into();
    text["post_processor"] = Value::Null;
    std::fs::write(&file, serde_json::to_vec(&text).unwrap()).unwrap();
    copy
}
