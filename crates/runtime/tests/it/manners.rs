//! Manners of the program: it ends when it is asked to, with what it has; it is quiet when nobody listens, and
//! logs only when asked.

mod full_pipe;
mod stalled;

use crate::program::{ended, flint, signal, wait_until};
use flint_fixtures::{tiny_opt, tiny_opt_bundle};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Within this a run must end once it is asked to: a second, and one more because tests run many at a time.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// Signals and the exit status that a shell reports for them.
const ASKED: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// A run that takes seconds: nearly everything is streamed, by one thread, in scalar arithmetic.
fn slow(extra: &[&str]) -> Child {
    let model = tiny_opt_bundle();
    let model = model.to_str().unwrap();
    let run = ["generate", "-m", model, "-p", "Once upon a time", "-n", "240", "--ignore-eos"];
    let slowly = ["--memory", "40%", "-t", "1", "--simd", "scalar", "--no-forecast"];
    flint(&[&run[..], &slowly, extra].concat()).spawn().unwrap()
}

#[test]
fn ctrl_c_and_sigterm_stop_generate_within_a_second_and_print_the_statistics() {
    for (asked, code) in ASKED {
        let mut child = slow(&[]);
        // The prompt is shown once it was fed, so tokens are on their way.
        let mut first = [0; 40];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        signal(&child, asked);
        let (status, took, stdout, stderr) = ended(child, SOON);
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert!(stdout.ends_with('\n'), "the line is not ended: {stdout:?}");
        let last = stderr.lines().last().unwrap();
        assert!(last.contains("tok/s") && last.contains("hit rate"), "{took:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn an_interrupted_run_prints_its_one_json_object() {
    for (asked, code) in ASKED {
        let directory = tempfile::tempdir().unwrap();
        let trace = directory.path().join("trace.jsonl");
        let child = slow(&["--json", "--trace", trace.to_str().unwrap()]);
        let lines = || fs::read_to_string(&trace).unwrap_or_default().lines().count();
        wait_until("three tokens came", || lines() >= 3);
        signal(&child, asked);
        let (status, _, stdout, stderr) = ended(child, SOON);
        assert_eq!(status.code(), Some(code));
        assert!(stderr.is_empty(), "{stderr}");
        let object: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(object["finish"], "stop");
        let tokens = object["tokens"].as_array().unwrap().len();
        assert!((3..240).contains(&tokens), "{tokens}");
        assert_eq!(object["stats"]["decode_tokens"], tokens - 1);
        assert!(object["stats"]["tokens_per_second"].as_f64().unwrap() > 0.0);
        assert!(object["stats"]["per_token"]["bytes_read"].as_f64().unwrap() > 0.0);
        assert!(!object["text"].as_str().unwrap().is_empty());
    }
}

#[test]
fn an_interrupted_perplexity_is_that_of_the_text_so_far() {
    let (model, text) = (tiny_opt_bundle(), tiny_opt().join("heldout.txt"));
    let (model, text) = (model.to_str().unwrap(), text.to_str().unwrap());
    for json in [true, false] {
        let slowly = ["-t", "1", "--simd", "scalar", "--memory", "40%"];
        let mut all = [&["perplexity", "-m", model, "-f", text], &slowly[..]].concat();
        all.extend(json.then_some("--json"));
        let mut child = flint(&all).env("RUST_LOG", "flint_engine=trace").spawn().unwrap();
        let mut logs = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let passes = logs.by_ref().filter(|line| line.contains("pass")).take(3).count();
        assert_eq!(passes, 3, "it ended by itself");
        signal(&child, Signal::INT);
        let (status, _, stdout, _) = ended(child, SOON);
        assert_eq!(status.code(), Some(130), "{:?}", logs.last());
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        if json {
            let object: Value = serde_json::from_str(&stdout).unwrap();
            let tokens = object["tokens"].as_u64().unwrap();
            assert!(tokens > 0 && tokens < 10_000, "{stdout}");
            assert!(object["perplexity"].as_f64().unwrap() > 1.0, "{stdout}");
        } else {
            assert!(stdout.contains("perplexity") && stdout.contains("exact mode"), "{stdout}");
        }
    }
}

/// Writes a checkpoint of zeros that takes no room on disk: large enough to be interrupted.
fn large_checkpoint(dir: &Path) {
    let (hidden, neurons, layers, vocabulary) = (2048_u64, 8192_u64, 8_u64, 1000_u64);
    let config = serde_json::json!({
        "model_type": "llama", "hidden_act": "relu", "hidden_size": hidden,
        "intermediate_size": neurons, "num_hidden_layers": layers, "num_attention_heads": 16,
        "num_key_value_heads": 16, "vocab_size": vocabulary, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2,
    });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let mut header = serde_json::Map::new();
    let mut end = 0;
    let mut tensor = |name: String, dims: &[u64]| {
        let begin = end;
        end += 2 * dims.iter().product::<u64>();
        let entry = serde_json::json!({
            "dtype": "F16", "shape": dims, "data_offsets": [begin, end],
        });
        header.insert(name, entry);
    };
    tensor("model.embed_tokens.weight".to_owned(), &[vocabulary, hidden]);
    tensor("model.norm.weight".to_owned(), &[hidden]);
    for layer in 0..layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        for part in ["q", "k", "v", "o"] {
            tensor(name(&format!("self_attn.{part}_proj")), &[hidden, hidden]);
        }
        tensor(name("mlp.gate_proj"), &[neurons, hidden]);
        tensor(name("mlp.up_proj"), &[neurons, hidden]);
        tensor(name("mlp.down_proj"), &[hidden, neurons]);
        tensor(name("input_layernorm"), &[hidden]);
        tensor(name("post_attention_layernorm"), &[hidden]);
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(dir.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + end).unwrap();
}

#[test]
fn an_interrupted_convert_leaves_what_was_there_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (checkpoint, out) = (directory.path().join("large"), directory.path().join("out.flint"));
    fs::create_dir(&checkpoint).unwrap();
    large_checkpoint(&checkpoint);
    crate::device::copy(&tiny_opt_bundle(), &out);
    let names = || {
        let entries = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    for (asked, code) in ASKED {
        let from = checkpoint.to_str().unwrap();
        let to = out.to_str().unwrap();
        let child = flint(&["convert", from, "--out", to, "--force"]).spawn().unwrap();
        let length = || fs::metadata(out.join("dense.partial")).map_or(0, |found| found.len());
        wait_until("some of it was written", || length() > 0);
        signal(&child, asked);
        let (status, _, _, stderr) = ended(child, SOON);
        assert_eq!(status.code(), Some(code), "{stderr}");
        let last = stderr.lines().last().unwrap();
        assert!(last.contains("stopped after") && last.contains("as it was"), "{stderr}");
        // A disk that is slow to take what was written may keep the rest from being removed in time.
        let left = names();
        let partial = |name: &&std::ffi::OsString| name.to_str().unwrap().ends_with(".partial");
        assert!(left.is_superset(&before), "{left:?}");
        assert!(left.difference(&before).all(|name| partial(&name)), "{left:?}");
        let whole = flint(&["verify", to]).output().unwrap();
        assert!(whole.status.success(), "{whole:?}");
    }
    // The next one removes what is left.
    let from = flint_fixtures::oracle("llama-2");
    let next = ["convert", from.to_str().unwrap(), "--out", out.to_str().unwrap(), "--force"];
    assert!(flint(&next).status().unwrap().success());
    assert_eq!(names().len(), 4);
}

#[test]
fn a_convert_interrupted_while_it_trains_keeps_the_bundle_and_says_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("tiny.flint");
    let (from, to) = (tiny_opt(), out.to_str().unwrap().to_owned());
    let mut child = flint(&["convert", from.to_str().unwrap(), "--out", &to]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = stderr.by_ref().map(Result::unwrap);
    assert!(said.any(|line| line.contains("predictors from")), "it did not come to training");
    signal(&child, Signal::INT);
    let (status, ..) = ended(child, SOON);
    assert_eq!(status.code(), Some(130));
    let last = said.last().unwrap();
    assert!(last.contains("stopped") && last.contains("--predictors-only"), "{last}");
    let whole = flint(&["verify", &to]).output().unwrap();
    assert!(whole.status.success(), "{whole:?}");
}

#[test]
fn a_reader_that_goes_away_ends_every_command_quietly() {
    let model = tiny_opt_bundle();
    let model = model.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.txt");
    fs::write(&text, "The king had three sons.").unwrap();
    let text = text.to_str().unwrap();
    let few = ["--tokens", "0,5", "-n", "3", "-q"];
    let commands: [&[&str]; 9] = [
        &[&["generate", "-m", model], &few[..]].concat(),
        &[&["generate", "-m", model, "--json"], &few[..]].concat(),
        &["logits", "-m", model, "--tokens", "0,5", "--all", "--json"],
        &["plan", "-m", model],
        &["inspect", model],
        &["inspect", model, "--json"],
        &["verify", model],
        &["--help"],
        &["perplexity", "-m", model, "-f", text, "--json"],
    ];
    for arguments in commands {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let output = flint(arguments).stdout(write).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn ten_bytes_are_enough_for_head() {
    let mut child = slow(&["-q"]);
    let mut first = [0; 10];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let (status, _, _, stderr) = ended(child, Duration::from_secs(10));
    assert_eq!(status.code(), Some(0));
    assert!(stderr.is_empty(), "{stderr}");
}

#[test]
fn logs_are_silent_unless_asked_for_and_never_on_stdout() {
    let model = tiny_opt_bundle();
    let run = ["generate", "-m", model.to_str().unwrap(), "--tokens", "0,5", "-n", "2", "--json"];
    let with = |value: Option<&str>| {
        let mut command = flint(&run);
        value.map(|value| command.env("RUST_LOG", value));
        let output = command.output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice::<Value>(&output.stdout).unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(with(None), "");
    assert_eq!(with(Some("")), "");
    assert_eq!(with(Some("a=b=c")), "");
    let logs = with(Some("flint_engine=debug"));
    assert!(logs.contains("planned") && logs.contains("loaded"), "{logs}");
}

#[test]
fn no_backtrace_reaches_a_user_who_has_them_switched_on() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.flint");
    crate::device::copy(&tiny_opt_bundle(), &copy);
    let neurons = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path());
    let neurons = neurons.into_iter().find(|path| path.to_str().unwrap().contains("neurons-"));
    let mut bytes = fs::read(neurons.as_ref().unwrap()).unwrap();
    let end = bytes.len();
    bytes[end - 1000] ^= 1;
    fs::write(neurons.unwrap(), bytes).unwrap();
    let copy = copy.to_str().unwrap();
    let run = ["generate", "-m", copy, "--tokens", "0,5", "-n", "3", "--memory", "60%"];
    let commands: [(&[&str], i32); 4] = [
        (&run, 1),
        (&["verify", copy], 2),
        (&["generate", "-m", "/nowhere", "-p", "x"], 2),
        (&["convert", "/nowhere", "--out", "/nowhere/else"], 2),
    ];
    for (arguments, code) in commands {
        let output = flint(arguments).env("RUST_BACKTRACE", "full").output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains("backtrace") && !line.contains("panicked"), "{line}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        flint_fixtures::skip("no /dev/full");
        return;
    };
    let model = tiny_opt_bundle();
    let output = flint(&["inspect", model.to_str().unwrap()]).stdout(Stdio::from(full)).output();
    let output = output.unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("stdout") && line.lines().count() == 1, "{line}");
}
