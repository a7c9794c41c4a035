//! `--draft-model` and the drafts that runs make unless told otherwise, by the command line.

use crate::command_line::{flint, json, refused};
use flint_fixtures::{gguf, tiny_opt};

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

#[test]
fn a_bundle_keeps_copies_until_it_holds_other_weights() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("own.flint").to_str().unwrap().to_owned();
    let (checkpoint, copies) = (tiny_opt(), directory.path().join("own.flint/drafts.gguf"));
    let checkpoint = checkpoint.to_str().unwrap();
    let done = |args: &[&str]| {
        let output = flint(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let kept = || json(&["inspect", &out, "--json"])["copies_bytes"].as_u64();
    done(&["convert", checkpoint, "--out", &out, "--no-predictor", "--draft", "q4_0"]);
    assert!(kept().unwrap() > 100_000 && copies.is_file());
    done(&["verify", &out]);
    // Other weights.
    done(&["convert", checkpoint, "--out", &out, "--no-predictor", "--force", "--dtype", "f32"]);
    assert!(kept().is_none() && !copies.exists());
    done(&["convert", "--draft", "q4_0", "--out", &out]);
    assert!(kept().is_some());
    let text = |draft| {
        let to = ["generate", "-m", &out, "--memory", "140%", "-p", "Once", "-n", "16", "--json"];
        json(&[&to[..], &["--ignore-eos", "--draft", draft]].concat())["tokens"].clone()
    };
    assert_eq!(text("off"), text("substitute"));

    let model = file("llama-q6_k");
    refused(&["convert", "--draft", "q4_0", "--out", &model], &["is not a bundle"]);
    refused(&["convert", "--draft", "q5_0", "--out", &out], &["q4_0"]);
    let mut damaged = std::fs::read(&copies).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&copies, damaged).unwrap();
    let verified = flint(&["verify", &out]);
    let said = String::from_utf8(verified.stderr).unwrap();
    assert!(!verified.status.success() && said.contains("drafts.gguf"), "{said}");
}
