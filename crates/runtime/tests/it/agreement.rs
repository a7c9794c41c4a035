//! What commands agree on: how texts begin, and that a run is given the context that it needs and not all that a model has.

use crate::checkpoints::copy;
use crate::command_line::json;
use crate::families::converted;
use flint_engine::OpenModel;
use flint_fixtures::{oracle, tokenizer};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The reference `model` with a tokenizer whose texts begin with the token 1.
fn with_tokenizer(model: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&tokenizer("llama"), dir.path());
    copy(&oracle(model), dir.path());
    dir
}

fn set(dir: &Path, key: &str, value: Value) {
    let path = dir.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn texts_begin_as_the_tokenizer_says_whatever_the_configuration_names() {
    let dir = with_tokenizer("qwen2");
    set(dir.path(), "bos_token_id", 3.into());
    let bundle = converted(dir.path(), dir.path());
    let published = OpenModel::open(&bundle).unwrap();
    let text = published.bundle().unwrap().read_text("tokenizer.json").unwrap();
    let begins = |model: &Path| {
        let files = OpenModel::open(model).unwrap();
        let codec = files.codec().unwrap().unwrap();
        assert_eq!(codec.encode("a", true).unwrap()[0], 1, "{}", model.display());
        files.architecture().begin_of_text
    };
    assert_eq!((begins(dir.path()), begins(&bundle)), (Some(1), Some(1)));
    // The same tokenizer as a text of its own, without the settings that it was built with.
    let other = tempfile::tempdir().unwrap();
    copy(&oracle("qwen2"), other.path());
    fs::write(other.path().join("tokenizer.json"), text).unwrap();
    set(other.path(), "bos_token_id", 3.into());
    let bundle = converted(other.path(), other.path());
    assert_eq!((begins(other.path()), begins(&bundle)), (Some(1), Some(1)));
    // And none where it begins texts with nothing.
    let settings = dir.path().join("tokenizer_config.json");
    let said = fs::read_to_string(&settings).unwrap();
    let said = said.replace("\"add_bos_token\": true", "\"add_bos_token\": false");
    fs::write(&settings, said).unwrap();
    assert_eq!(OpenModel::open(dir.path()).unwrap().architecture().begin_of_text, None);
}

#[test]
fn a_long_context_costs_only_those_who_use_it() {
    let dir = with_tokenizer("llama-2");
    set(dir.path(), "max_position_embeddings", 131_072.into());
    let text = dir.path().join("text.txt");
    fs::write(&text, "The little fox ran into the wood, but it was late.").unwrap();
    let (model, text) = (dir.path().to_str().unwrap(), text.to_str().unwrap());
    let run = ["-m", model, "--memory", "64MiB", "--json"];
    let of = |command: &[&str]| json(&[command, &run[..]].concat());
    let kept = |object: &Value| object["stats"]["kv_bytes"].as_u64().unwrap();
    assert!(of(&["perplexity", "-f", text, "--no-forecast"])["perplexity"].is_number());
    assert!(of(&["logits", "--tokens", "1,2,3", "--no-forecast"])["logits"].is_array());
    assert!(kept(&of(&["generate", "-p", "The fox", "-n", "5", "--no-forecast"])) < 1 << 20);
    assert_eq!(of(&["plan"])["context"], 4096);
    assert_eq!(of(&["plan", "-c", "8192"])["context"], 8192);
    // Never more than the model has.
    set(dir.path(), "max_position_embeddings", 256.into());
    assert_eq!(of(&["plan"])["context"], 256);
}
