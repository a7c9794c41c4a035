//! `--draft-model` and the drafts that runs make unless told otherwise, by the command line.

use crate::command_line::{flint, json, refused};
use flint_fixtures::gguf;

fn file(name: &str) -> String {
    gguf(name).join("model.gguf").to_str().unwrap().to_owned()
}

#[test]
fn a_small_model_is_named_within_the_same_memory() {
    let model = file("llama-q6_k");
    let run = |more: &[&str]| {
        let fixed = ["--tokens", "3,4,5,6", "-n", "24", "--temp", "0.8", "--ignore-eos", "--json"];
        let to = ["generate", "-m", &model, "--memory", "1000%"];
        json(&[&to[..], &fixed, more].concat())
    };
    let plain = run(&["--draft", "off"]);
    assert!(plain["stats"]["draft"].is_null());
    let drafted = run(&["--draft", "model", "--draft-model", &model]);
    assert_eq!(plain["tokens"], drafted["tokens"]);
    assert_eq!(plain["tokens"].as_array().unwrap().len(), 24);
    let stats = &drafted["stats"];
    assert_eq!(stats["draft"]["by"], "model");
    assert!(stats["per_token"]["tokens_per_pass"].as_f64().unwrap() > 1.5, "{stats}");
    assert!(stats["draft_model_bytes"].as_u64().unwrap() > 0);
    // Who is named may draft; unless told otherwise runs draft where it pays.
    let named = run(&["--draft-model", &model]);
    assert_eq!(
        (&named["stats"]["draft"]["by"], &named["tokens"]),
        (&"auto".into(), &plain["tokens"])
    );
    let usual = run(&[]);
    assert_eq!(
        (&usual["stats"]["draft"]["by"], &usual["tokens"]),
        (&"auto".into(), &plain["tokens"])
    );

    let plan = flint(&["plan", "-m", &model, "--memory", "3000%", "--draft-model", &model]);
    let said = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.status.success() && said.contains("draft model"), "{said}");
}

#[test]
fn what_cannot_draft_is_refused_in_a_line() {
    let model = file("llama-q6_k");
    let run = |more: &[&str], parts: &[&str]| {
        let fixed = ["generate", "-m", &model, "--memory", "1000%", "--tokens", "3"];
        refused(&[&fixed[..], more].concat(), parts);
    };
    run(&["--draft", "model"], &["--draft-model MODEL"]);
    run(&["--draft", "lookup", "--draft-model", &model], &["--draft lookup"]);
    run(&["--draft", "off", "--draft-model", &model], &["--draft off"]);
    run(&["--draft-model", &file("qwen2-f16")], &["qwen2-f16", "vocabulary", "token"]);
    run(&["--draft-model", "nowhere.gguf"], &["--draft-model nowhere.gguf"]);
    run(&["--draft-model", "."], &["--draft-model ."]);
}
