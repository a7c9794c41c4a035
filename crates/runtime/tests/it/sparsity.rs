//! `--sparsity`: made and measured by convert, stored, printed by every run that uses it, and never on by itself.

use crate::command_line::{flint, json, refused};
use crate::families::converted;
use crate::model::{load, options};
use flint_bundle::replace_predictors;
use flint_convert::{CalibrateEvent, CalibrateOptions, calibrate};
use flint_engine::{CancelToken, OpenModel, RunOptions, perplexity, sparsities};
use flint_fixtures::{oracle, tiny_opt_bundle};
use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::{GateRows, QuantizedGateLayer, ThresholdLayer};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Tokens that look random, as a file of them would list.
fn tokens() -> Vec<u32> {
    (0..500u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u32 % 384).collect()
}

/// Converts the reference checkpoint `name` by the command line with thresholds; gives the bundle and what was said.
fn convert(name: &str, dir: &Path) -> (PathBuf, String) {
    let out = dir.join("model.flint");
    let text = dir.join("tokens.txt");
    let words: Vec<String> = tokens().iter().map(u32::to_string).collect();
    fs::write(&text, words.join(" ")).unwrap();
    let (checkpoint, out_text) = (oracle(name), out.to_str().unwrap().to_owned());
    let output = flint(&[
        "convert",
        checkpoint.to_str().unwrap(),
        "--out",
        &out_text,
        "--sparsity",
        "0.5,0.25",
        "--calibrate",
        text.to_str().unwrap(),
        "--calibrate-tokens",
        "400",
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (out, said)
}

fn generate(bundle: &str, more: &[&str]) -> Value {
    let base = ["generate", "-m", bundle, "--tokens", "57,301,18", "-n", "8", "--temp", "0"];
    json(&[&base[..], more, &["--ignore-eos", "--json"]].concat())
}

#[test]
fn the_cost_is_stored_and_every_run_that_pays_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    // Gated with SiLU, and plain with GELU.
    for name in ["llama-2", "phi-2-gelu"] {
        let dir = dir.path().join(name);
        fs::create_dir(&dir).unwrap();
        let (bundle, said) = convert(name, &dir);
        let bundle = bundle.to_str().unwrap();
        for part in ["sparsity 0.25: perplexity", "sparsity 0.5: perplexity", " %)"] {
            assert!(said.contains(part), "{said}");
        }
        // How long each stage takes is said before and after, and how sure each number is.
        for part in
            ["quality on 300 others: about", "collecting took", "training took", "measuring took"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        for part in [" (said: ", " \u{b1} ", "same next token ", "tokens"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let told = String::from_utf8(flint(&["inspect", bundle]).stdout).unwrap();
        for part in ["exact mode unless --sparsity", "sparsity 0.25: perplexity", "sparsity 0.5: "]
        {
            assert!(told.contains(part), "{told}");
        }
        let known = json(&["inspect", bundle, "--json"])["sparsities"].clone();
        assert_eq!((&known[0]["sparsity"], &known[1]["sparsity"]), (&0.25.into(), &0.5.into()));
        let cost = &known[1]["quality_cost"];
        assert_ne!(*cost, 1.0);
        assert!(known[1]["precision"]["margin_cost"].as_f64().unwrap() > 0.0);

        let exact = generate(bundle, &[]);
        assert_eq!(
            (&exact["stats"]["mode"], &exact["stats"]["quality_cost"]),
            (&"exact".into(), &1.0.into())
        );
        assert!(exact["stats"]["sparsity"].is_null());
        assert_eq!(exact["stats"]["predictor_bytes"], 0);
        let half = generate(bundle, &["--sparsity", "0.5"]);
        let stats = &half["stats"];
        assert_eq!((&stats["mode"], &stats["sparsity"]), (&"sparse".into(), &0.5.into()));
        assert_eq!(&stats["quality_cost"], cost);
        let count = |field: &str| stats["per_token"][field].as_f64().unwrap();
        let kept = count("neurons_predicted") / count("neurons_total");
        assert!((kept - 0.5).abs() < 0.1, "{kept} of the neurons were computed");

        let line = ["generate", "-m", bundle, "--tokens", "57", "-n", "2", "--sparsity", "0.25"];
        let last = String::from_utf8(flint(&line).stderr).unwrap();
        let last = last.lines().last().unwrap();
        assert!(
            last.contains("sparse mode (perplexity") && last.contains(", sparsity 0.25"),
            "{last}"
        );
        let plan = json(&["plan", "-m", bundle, "--sparsity", "0.5", "--json"]);
        assert_eq!((&plan["mode"], &plan["quality_cost"]), (&"sparse".into(), cost));
        let logits = |more: &[&str]| {
            json(&[&["logits", "-m", bundle, "--tokens", "57,301", "--json"], more].concat())
        };
        assert_eq!(&logits(&["--sparsity", "0.5"])["quality_cost"], cost);
        assert_eq!(&logits(&["--sparsity", "0.5", "--all"])["quality_cost"], cost);
        assert!(logits(&[]).get("sparsity").is_none());
        assert_ne!(logits(&["--sparsity", "0.5"])["logits"], logits(&[])["logits"]);
        let plain = flint(&["logits", "-m", bundle, "--tokens", "57,301", "--sparsity", "0.5"]);
        assert!(String::from_utf8(plain.stderr).unwrap().contains("sparsity 0.5: perplexity"));
    }
}

#[test]
fn the_stored_cost_is_what_a_run_measures() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = converted(&oracle("qwen3"), dir.path());
    let text = tokens();
    let options_of = CalibrateOptions {
        tokens: Some(400),
        threads: Some(2),
        sparsities: vec![0.25, 0.5],
        ..CalibrateOptions::new(bundle.clone())
    };
    let mut heard = Vec::new();
    calibrate(&options_of, &text, &mut |event| {
        if let CalibrateEvent::Cost(cost) = event {
            let known = cost.precision.unwrap();
            // Without a begin-of-text token the first one is not foreseen.
            assert_eq!(known.tokens, 299);
            assert!(known.margin_cost > 0.0 && known.margin_cost < known.margin, "{known:?}");
            assert!((0.0..=1.0).contains(&known.agreement), "{known:?}");
            heard.push(cost);
        }
    })
    .unwrap();
    let files = flint_engine::OpenModel::open(&bundle).unwrap();
    files.bundle().unwrap().verify(&mut |_, _| {}).unwrap();
    let stored = sparsities(&files).unwrap();
    assert_eq!(stored, heard);
    // As convert measures: in windows of at most this.
    let context = 2048;
    // The first half of 400 tokens set the thresholds.
    for (sparsity, expected) in [
        (None, stored[0].perplexity_exact),
        (Some(0.25), stored[0].perplexity),
        (Some(0.5), stored[1].perplexity),
    ] {
        let run = RunOptions { sparsity, ..options(3000.0) };
        let mut engine = load(&bundle, &run, context, None);
        let found =
            perplexity(&mut engine, &text[200..], &CancelToken::default(), &mut |_| {}).unwrap();
        assert_eq!((found.perplexity, found.sparsity), (expected, sparsity));
        assert_eq!(found.quality_cost, sparsity.map(|_| expected / stored[0].perplexity_exact));
    }
    assert!(stored[0].perplexity != stored[1].perplexity);
}

/// A predictor of one layer as earlier versions wrote it: a level, then a copy of rows that may be any.
fn cats(width: usize, neurons: usize) -> Vec<u8> {
    let mut bytes = b"FLct".to_vec();
    [1u32, 0, 1].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(10.0f64.to_le_bytes());
    [0.5f32, 0.1, 0.5, 0.9].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(11.0f64.to_le_bytes());
    let rows = (0..width * neurons).map(|i| (i * i % 31) as f32 / 15.0 - 1.0);
    let rows: Vec<u8> = rows.flat_map(f32::to_le_bytes).collect();
    let rows = MatrixView::new(DType::F32, neurons, width, &rows).unwrap();
    let compute = Compute::new(Isa::Scalar, 1).unwrap();
    let copy = QuantizedGateLayer::copy(&compute, &GateRows::new(rows, None, Activation::Silu), 4);
    bytes.extend(copy.to_bytes());
    bytes
}

#[test]
fn a_bundle_with_thresholds_of_an_earlier_version_runs() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = converted(&oracle("llama-2"), dir.path());
    let files = OpenModel::open(&bundle).unwrap();
    let shape = files.bundle().unwrap().shape();
    let blob = cats(shape.record.width(), shape.neurons as usize);
    replace_predictors(&bundle, "cats", (0..shape.layers).map(|_| Some(blob.clone())), None)
        .unwrap();
    let bundle = bundle.to_str().unwrap();
    let known = json(&["inspect", bundle, "--json"])["sparsities"].clone();
    assert_eq!(
        (&known[0]["sparsity"], known[0]["quality_cost"].as_f64()),
        (&0.5.into(), Some(1.1))
    );
    assert!(known[0]["precision"].is_null());
    let stats = &generate(bundle, &["--sparsity", "0.5"])["stats"];
    assert_eq!((&stats["mode"], &stats["sparsity"]), (&"sparse".into(), &0.5.into()));
    let count = |field: &str| stats["per_token"][field].as_f64().unwrap();
    let kept = count("neurons_predicted") / count("neurons_total");
    assert!((0.01..0.99).contains(&kept), "{kept} of the neurons were computed");
    let plain = generate(bundle, &[]);
    assert_eq!(plain["stats"]["mode"], "exact");
}

#[test]
fn what_cannot_be_left_out_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, _) = convert("llama-2", dir.path());
    let silu = bundle.to_str().unwrap();
    let relu = tiny_opt_bundle();
    let relu = relu.to_str().unwrap();
    let run = |bundle: &str, more: &[&str], parts: &[&str]| {
        let base = ["generate", "-m", bundle, "--tokens", "5", "-n", "1"];
        refused(&[&base[..], more].concat(), parts);
    };
    run(silu, &["--sparsity", "0.4"], &["--sparsity 0.4", "0.25 or 0.5"]);
    run(silu, &["--sparsity", "0.5", "--mode", "exact"], &["exact mode", "--sparsity"]);
    run(silu, &["--mode", "sparse"], &["ever zero", "--sparsity 0.25 or 0.5"]);
    run(silu, &["--sparsity", "auto"], &["flint plan"]);
    refused(&["plan", "-m", relu, "--sparsity", "auto"], &["no thresholds for any share"]);
    refused(&["plan", "-m", silu, "--sparsity", "auto"], &["too small to measure"]);
    run(relu, &["--sparsity", "0.5"], &["Relu", "exact zeros"]);
    for wrong in ["0", "1", "-0.5", "nan", "half"] {
        run(silu, &[&format!("--sparsity={wrong}")], &["above 0 and below 1"]);
    }
    let plain_dir = dir.path().join("plain");
    fs::create_dir(&plain_dir).unwrap();
    let plain = converted(&oracle("mistral"), &plain_dir);
    let plain_text = plain.to_str().unwrap();
    run(plain_text, &["--sparsity", "0.5"], &["none at all", "--predictors-only"]);

    let out = dir.path().join("other.flint");
    let out_text = out.to_str().unwrap();
    let convert = |name: &str, more: &[&str], parts: &[&str]| {
        let checkpoint = oracle(name);
        let base = ["convert", checkpoint.to_str().unwrap(), "--out", out_text];
        refused(&[&base[..], more].concat(), parts);
        assert!(!out.exists(), "{name} was converted");
    };
    convert("llama-relu", &["--sparsity", "0.5"], &["Relu", "exact zeros"]);
    convert("mistral", &["--sparsity", "0.5", "--no-predictor"], &["--no-predictor"]);
    convert("mistral", &["--sparsity", "1.5"], &["above 0 and below 1"]);
    let many: Vec<String> = (1..=17).map(|share| format!("0.{share:02}")).collect();
    convert("mistral", &["--sparsity", &many.join(",")], &["at most 16"]);
}
