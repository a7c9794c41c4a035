//! The command line contract: JSON fields, exit status, and one line for every mistake.

use flint_fixtures::{oracle, tiny_opt, tiny_opt_bundle};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) fn flint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flint")).args(arguments).output().unwrap()
}

pub(crate) fn json(arguments: &[&str]) -> Value {
    let output = flint(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs and checks that it is refused with status 2 and one line that holds `parts`.
pub(crate) fn refused(arguments: &[&str], parts: &[&str]) {
    let output = flint(arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    assert!(!line.contains("panicked"), "{line}");
    for part in parts {
        assert!(line.contains(part), "{arguments:?}: '{part}' is not in: {line}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?} printed to stdout");
}

fn bundle() -> String {
    tiny_opt_bundle().to_str().unwrap().to_owned()
}

fn copy_of(from: &Path) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("copy");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    (directory, to)
}

/// The data file of a bundle whose name begins with `role`.
fn data_file(bundle: &Path, role: &str) -> PathBuf {
    let mut files = fs::read_dir(bundle).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(role)).unwrap()
}

fn alter(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn generate_prints_the_object_of_the_contract() {
    let report = json(&[
        "generate",
        "-m",
        &bundle(),
        "-p",
        "Once upon a time",
        "-n",
        "5",
        "--temp",
        "0",
        "--memory",
        "75%",
        "--json",
    ]);
    assert_eq!(report["tokens"].as_array().unwrap().len(), 5);
    assert_eq!(report["prompt_tokens"][0], 0);
    assert_eq!(report["finish"], "length");
    assert!(!report["text"].as_str().unwrap().is_empty());
    let stats = &report["stats"];
    for field in [
        "mode",
        "io_backend",
        "direct_io",
        "window",
        "policy",
        "threads",
        "weights_bytes",
        "memory_budget_bytes",
        "resident_bytes",
        "predictor_bytes",
        "cache_bytes",
        "kv_bytes",
        "process_bytes",
        "peak_rss_bytes",
        "prefill_tokens",
        "prefill_ms",
        "first_token_ms",
        "decode_tokens",
        "decode_ms",
        "tokens_per_second",
    ] {
        assert!(!stats[field].is_null(), "no stats.{field}");
    }
    for field in [
        "bytes_read",
        "reads",
        "neurons_total",
        "neurons_predicted",
        "neurons_active",
        "neurons_loaded",
        "hit_rate",
        "io_busy_ms",
        "io_wait_ms",
        "cache_ms",
        "predictor_ms",
        "compute_ms",
        "total_ms",
    ] {
        assert!(stats["per_token"][field].is_f64(), "no stats.per_token.{field}");
    }
    assert_eq!(stats["per_token"]["neurons_total"], 6144.0);
    assert_eq!(stats["mode"], "exact");
}

#[test]
fn peak_memory_stays_within_the_budget_and_the_process_overhead() {
    for percent in [60, 75, 100] {
        let memory = format!("{percent}%");
        let report = json(&[
            "generate",
            "-m",
            &bundle(),
            "--tokens",
            "0,5",
            "-n",
            "40",
            "--memory",
            &memory,
            "--json",
        ]);
        let stats = &report["stats"];
        let bytes = |field: &str| stats[field].as_u64().unwrap();
        let allowed = bytes("memory_budget_bytes") + bytes("process_bytes");
        assert!(bytes("peak_rss_bytes") <= allowed, "{percent} %: {stats}");
        assert!(bytes("process_bytes") <= 64 << 20);
    }
}

#[test]
fn logits_perplexity_plan_inspect_and_verify_print_json() {
    let model = bundle();
    let last = json(&["logits", "-m", &model, "--tokens", "0,4,2116", "--json"]);
    assert_eq!(last["logits"].as_array().unwrap().len(), 4096);
    let all = json(&["logits", "-m", &model, "--tokens", "0,4,2116", "--all", "--json"]);
    assert_eq!(all["logits"].as_array().unwrap().len(), 3);
    assert_eq!(all["logits"][2], last["logits"]);

    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.txt");
    fs::write(&text, "The king had three sons, and the youngest was called Hans.").unwrap();
    let found = json(&["perplexity", "-m", &model, "-f", text.to_str().unwrap(), "--json"]);
    assert!(found["perplexity"].as_f64().unwrap() > 1.0);
    assert_eq!(found["mode"], "exact");

    let plan = json(&["plan", "-m", &model, "--memory", "75%", "-c", "64", "--json"]);
    let claimed: u64 =
        ["resident_bytes", "predictor_bytes", "kv_bytes", "buffer_bytes", "cache_bytes"]
            .iter()
            .map(|field| plan[field].as_u64().unwrap())
            .sum();
    assert!(claimed <= plan["memory_budget_bytes"].as_u64().unwrap());
    assert_eq!(json(&["inspect", &model, "--json"])["layers"], 6);
    assert_eq!(json(&["verify", &model, "--json"])["ok"], true);
}

#[test]
fn text_goes_to_stdout_and_the_report_is_the_last_line_of_stderr() {
    let output = flint(&["generate", "-m", &bundle(), "-p", "Once", "-n", "4", "--temp", "0"]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Once"));
    let report = String::from_utf8(output.stderr).unwrap();
    let last = report.lines().last().unwrap();
    for part in ["tokens", "tok/s", "first token", "hit rate", "per token", "exact mode"] {
        assert!(last.contains(part), "{last}");
    }
}

#[test]
fn a_stop_text_ends_generation_and_is_not_printed() {
    let run = |stop: &[&str]| {
        let model = bundle();
        let all =
            [&["generate", "-m", &model, "-p", "\"Who are you?\" asked Dorothy.\n"], stop].concat();
        json(&[&all[..], &["-n", "30", "--temp", "0", "--json"]].concat())
    };
    let whole = run(&[])["text"].as_str().unwrap().to_owned();
    let stopped = run(&["--stop", "Scarecrow"]);
    assert_eq!(stopped["finish"], "stop");
    let text = stopped["text"].as_str().unwrap();
    assert_eq!(text, &whole[..whole.find("Scarecrow").unwrap()]);
    // The first of several counts, whatever they begin with.
    let several = run(&["--stop", "--never", "--stop", "Scarecrow"]);
    assert_eq!(several["text"], stopped["text"]);
}

#[test]
fn a_prompt_may_begin_with_a_dash() {
    for prompt in ["- item", "-5 degrees", "--"] {
        let found = json(&["generate", "-m", &bundle(), "-p", prompt, "-n", "1", "--json"]);
        assert_eq!(found["tokens"].as_array().unwrap().len(), 1, "{prompt}");
    }
}

#[test]
fn what_might_have_been_a_stop_text_is_shown_at_the_end() {
    let model = bundle();
    let run = |stop: &str| {
        json(&[
            "generate",
            "-m",
            &model,
            "-p",
            "\"Who are you?\" asked Dorothy.\n",
            "-n",
            "4",
            "--temp",
            "0",
            "--json",
            "--stop",
            stop,
        ])["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let whole = run("never to come");
    let last = whole.chars().last().unwrap();
    assert_eq!(run(&format!("{last} and more")), whole);
}

#[test]
fn options_do_what_they_say() {
    let model = bundle();
    let run = |extra: &[&str]| {
        let all = [&["generate", "-m", &model, "-p", "Once", "-n", "12", "--json"], extra].concat();
        json(&all)["tokens"].clone()
    };
    let greedy = run(&["--temp", "0"]);
    assert_ne!(run(&["--seed", "1"]), run(&["--seed", "2"]));
    assert_eq!(run(&["--seed", "1"]), run(&["--seed", "1"]));
    assert_eq!(run(&["--min-p", "1"]), greedy);
    assert_eq!(run(&["--top-k", "1"]), greedy);
    assert_eq!(run(&["--top-p", "0"]), greedy);

    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace.jsonl");
    run(&["--trace", trace.to_str().unwrap()]);
    let lines = fs::read_to_string(&trace).unwrap();
    assert_eq!(lines.lines().count(), 12);
    assert!(serde_json::from_str::<Value>(lines.lines().next().unwrap()).unwrap()["ms"].is_f64());

    let quiet = flint(&["generate", "-m", &model, "-p", "Once", "-n", "2", "-q"]);
    assert!(quiet.stderr.is_empty() && !quiet.stdout.starts_with(b"Once"));
    let huge = json(&[
        "generate",
        "-m",
        &model,
        "-p",
        "Once",
        "-n",
        "18446744073709551615",
        "--temp",
        "0",
        "--json",
    ]);
    assert_ne!(huge["finish"], "length");
}

#[test]
fn a_full_context_ends_generation() {
    let report = json(&[
        "generate",
        "-m",
        &bundle(),
        "--tokens",
        "0,5,6",
        "-c",
        "8",
        "-n",
        "50",
        "--ignore-eos",
        "--json",
    ]);
    assert_eq!(report["finish"], "context");
    // Eight positions hold the prompt and five tokens; the sixth needs none yet.
    assert_eq!(report["tokens"].as_array().unwrap().len(), 6);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flint"))
        .args(["generate", "-m", &bundle(), "-p", "Once", "-n", "200", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wrong_requests_are_one_line_and_status_2() {
    let model = bundle();
    let m = model.as_str();
    refused(&["generate"], &["required"]);
    refused(&["generate", "-m", m], &["required"]);
    refused(&["frobnicate"], &["frobnicate"]);
    refused(&["generate", "-m", "/nowhere.flint", "-p", "x"], &["/nowhere.flint"]);
    refused(&["generate", "-m", m, "-p", "x", "--memory", "lots"], &["lots", "50%"]);
    refused(&["generate", "-m", m, "-p", "x", "--memory", "10%"], &["floor", "bytes", "--memory"]);
    refused(&["generate", "-m", m, "-p", "x", "--mode", "sparse"], &["predictors"]);
    refused(&["generate", "-m", m, "-p", "x", "-t", "0"], &["at least 1"]);
    refused(&["generate", "-m", m, "-p", "x", "-c", "4000"], &["4000", "256"]);
    refused(&["generate", "-m", m, "--tokens", "1,9999"], &["9999", "4096"]);
    refused(&["generate", "-m", m, "-f", "/no/such.txt"], &["/no/such.txt"]);
    refused(&["generate", "-m", m, "-p", "x", "--policy", "magic"], &["magic", "frequency"]);
    refused(&["generate", "-m", m, "-p", "x", "--simd", "mmx"], &["mmx"]);
    refused(&["generate", "-m", m, "-p", "Once upon", "-c", "1"], &["prompt", "there are 1"]);
    refused(&["logits", "-m", m, "--tokens", "1,2,3", "-c", "2"], &["prompt", "there are 2"]);
    refused(&["generate", "-m", m, "-p", "x", "-c", "0"], &["at least 1"]);
    refused(&["generate", "-m", m, "-p", "x", "-t", "100000"], &["at most"]);
    let long = "word ".repeat(400);
    refused(&["generate", "-m", m, "-p", &long], &["prompt", "256"]);
    refused(&["verify", tiny_opt().to_str().unwrap()], &["tiny-opt"]);
    refused(&["logits", "-m", m, "--tokens", "70000"], &["70000"]);
}

#[test]
fn the_floor_that_a_refusal_names_is_enough() {
    let output =
        flint(&["generate", "-m", &bundle(), "--tokens", "0", "-n", "4", "--memory", "1%"]);
    let line = String::from_utf8(output.stderr).unwrap();
    let ask = line.split("at least ").nth(1).unwrap().split('%').next().unwrap();
    let memory = format!("{ask}%");
    json(&["generate", "-m", &bundle(), "--tokens", "0", "-n", "4", "--memory", &memory, "--json"]);
}

#[test]
fn wrong_bundles_are_refused_and_wrong_records_fail_while_running() {
    let (_keep, copy) = copy_of(&tiny_opt_bundle());
    let m = copy.to_str().unwrap();
    let run = ["generate", "-m", m, "--tokens", "0,5", "-n", "3", "--memory", "60%"];

    let dense = data_file(&copy, "dense");
    let whole = fs::read(&dense).unwrap();
    alter(&dense, 1000);
    refused(&run, &["dense-", "checksum"]);
    refused(&["verify", m], &["dense-"]);
    // At a fifth of the memory the embedding is read row by row and attention is streamed.
    let small = ["generate", "-m", m, "--tokens", "0,5", "-n", "3", "--memory", "20%"];
    refused(&small, &["dense-", "embedding.tokens", "checksum"]);
    fs::write(&dense, &whole).unwrap();
    alter(&dense, whole.len() / 2);
    let output = flint(&small);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("tensor 'layers.") && line.contains("checksum"), "{line}");
    fs::write(&dense, &whole[..whole.len() - 512]).unwrap();
    refused(&run, &["dense-", "bytes"]);
    fs::write(&dense, &whole).unwrap();

    let manifest = copy.join("manifest.bin");
    let written = fs::read(&manifest).unwrap();
    alter(&manifest, written.len() / 2);
    refused(&run, &["manifest.bin"]);
    let mut newer = written.clone();
    newer[8] = 99;
    fs::write(&manifest, newer).unwrap();
    refused(&run, &["version"]);
    fs::write(&manifest, &written[..100]).unwrap();
    refused(&run, &["manifest.bin"]);
    fs::write(&manifest, &written).unwrap();

    // The last record is streamed: it is checked while running.
    let neurons = data_file(&copy, "neurons");
    let end = fs::metadata(&neurons).unwrap().len() as usize;
    alter(&neurons, end - 1000);
    let output = flint(&run);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("checksum") && line.contains("neuron 1023"), "{line}");
    let trusting = [&run[..], &["--no-verify-reads"]].concat();
    assert_eq!(flint(&trusting).status.code(), Some(0));
}

#[test]
fn convert_refuses_what_is_no_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.flint");
    let o = out.to_str().unwrap();
    refused(&["convert", directory.path().to_str().unwrap(), "--out", o], &["config.json"]);

    let (_keep, copy) = copy_of(&oracle("opt-post-ln-free"));
    let c = copy.to_str().unwrap();
    let config = fs::read_to_string(copy.join("config.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from), "{from} is not in {config}");
        fs::write(copy.join("config.json"), config.replace(from, to)).unwrap();
    };
    with("\"model_type\": \"opt\"", "\"model_type\": \"whisper\"");
    refused(&["convert", c, "--out", o], &["whisper", "supported are", "opt"]);
    with("\"ffn_dim\": 256", "\"ffn_dim\": 257");
    refused(&["convert", c, "--out", o], &["fc1.weight", "256", "257"]);
    with("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5");
    refused(&["convert", c, "--out", o], &["layers.4."]);
    with("\"hidden_size\": ", "\"hidden_size\": -");
    refused(&["convert", c, "--out", o], &["hidden_size"]);
    fs::write(copy.join("config.json"), "{").unwrap();
    refused(&["convert", c, "--out", o], &["config.json"]);
    fs::write(copy.join("config.json"), &config).unwrap();

    let weights = fs::read(copy.join("model.safetensors")).unwrap();
    fs::write(copy.join("model.safetensors"), &weights[..weights.len() - 10]).unwrap();
    refused(&["convert", c, "--out", o], &["model.safetensors", "bytes"]);
    fs::remove_file(copy.join("model.safetensors")).unwrap();
    refused(&["convert", c, "--out", o], &["no model.safetensors"]);
    assert!(!out.exists(), "something was left behind");
    refused(&["convert", oracle("opt-post-ln-free").to_str().unwrap(), "--out", c], &["not empty"]);
    let (_keep, whole) = copy_of(&oracle("opt-post-ln-free"));
    let w = whole.to_str().unwrap();
    refused(&["convert", w, "--out", w], &["checkpoint itself"]);
}

#[test]
fn values_may_begin_with_a_dash() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("-text.txt"), "Once upon a time").unwrap();
    let model = home.path().join("-m.flint");
    std::os::unix::fs::symlink(tiny_opt_bundle(), &model).unwrap();
    let ended = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_flint");
        Command::new(program).args(arguments).current_dir(home.path()).output().unwrap()
    };
    let run = ["generate", "-m", "-m.flint", "-n", "1", "-q", "--no-forecast"];
    for more in [
        &["-f", "-text.txt"][..],
        &["-p", "- item"],
        &["-p", "-5 degrees", "--stop", "---", "--stop", "-x"],
        &["-p", "--"],
        &["-p", "Once", "--trace", "-trace.jsonl"],
    ] {
        let output = ended(&[&run[..], more].concat());
        assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(ended(&["inspect", "--", "-m.flint"]).status.success());
    // What is no such value is refused as what it was meant for.
    for (more, named) in [
        (["--temp", "-1"], "--temp"),
        (["-n", "-1"], "--number"),
        (["--seed", "-1"], "--seed"),
        (["--tokens", "-1"], "--tokens"),
    ] {
        let output = ended(&["generate", "-m", "-m.flint", more[0], more[1]]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(line.contains(named) && line.contains("-1"), "{line}");
        assert!(!line.contains("unexpected"), "{line}");
    }
}

#[test]
fn short_help_leaves_out_what_only_experts_need() {
    for command in ["generate", "logits", "perplexity", "plan"] {
        let help = |flag| String::from_utf8(flint(&[command, flag]).stdout).unwrap();
        let (short, long) = (help("-h"), help("--help"));
        for option in ["--io-alignment", "--max-gap", "--depth", "--simd"] {
            assert!(!short.contains(option) && long.contains(option), "{command} {option}");
        }
        assert!(short.contains("--memory") && long.contains("--memory"), "{command}");
    }
}
