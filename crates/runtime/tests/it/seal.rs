//! Checksums beside files that have none: made on request, then every read is compared with them.

use crate::device::copy;
use crate::families::gguf_file;
use crate::program::flint;
use flint_fixtures::oracle;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;

fn run(arguments: &[&str]) -> Output {
    flint(arguments).output().unwrap()
}

/// The only line of an error.
fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    text
}

fn generated(model: &str, memory: &str) -> Result<Value, String> {
    let arguments = ["generate", "-m", model, "--tokens", "3,4,5", "-n", "4", "--temp", "0"];
    let output = run(&[&arguments[..], &["--ignore-eos", "--json", "--memory", memory]].concat());
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8(output.stderr).unwrap())
}

/// A copy of a model that may be spoiled: what is run, and the file of weights.
struct Model {
    _home: tempfile::TempDir,
    path: PathBuf,
    weights: PathBuf,
    seal: PathBuf,
}

fn models() -> [Model; 2] {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.gguf");
    fs::copy(gguf_file("llama-q4_0"), &path).unwrap();
    let (seal, weights) = (home.path().join("model.gguf.seal.json"), path.clone());
    let file = Model { _home: home, path, weights, seal };
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("checkpoint");
    copy(&oracle("llama-relu"), &path);
    let (seal, weights) = (path.join("flint-seal.json"), path.join("model.safetensors"));
    [file, Model { _home: home, path, weights, seal }]
}

fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

#[test]
fn a_sealed_model_says_that_its_reads_are_checked_and_answers_the_same() {
    for model in models() {
        let path = model.path.to_str().unwrap();
        let before = generated(path, "1000%").unwrap();
        assert_eq!(before["stats"]["reads_checked"], false);
        let line = refusal(&["verify", path]);
        assert!(line.contains("no checksums") && line.contains("--seal"), "{line}");
        assert!(run(&["verify", path, "--seal"]).status.success());
        let whole: Value =
            serde_json::from_slice(&run(&["verify", path, "--json"]).stdout).unwrap();
        assert_eq!(whole["ok"], true);
        assert!(whole["bytes"].as_u64().unwrap() > 100_000);
        for memory in ["1000%", "60%"] {
            let after = generated(path, memory).unwrap();
            assert_eq!(after["stats"]["reads_checked"], true);
            assert_eq!(after["tokens"], before["tokens"]);
        }
    }
}

#[test]
fn a_flipped_bit_of_a_sealed_model_is_named_wherever_it_is_read() {
    for model in models() {
        let path = model.path.to_str().unwrap();
        assert!(run(&["verify", path, "--seal"]).status.success());
        let bytes = fs::metadata(&model.weights).unwrap().len();
        // The last tenth of both files is matrices of the last layer.
        flip(&model.weights, bytes - bytes / 10);
        let said = refusal(&["verify", path]);
        assert!(said.contains("checksum") && said.contains("tensor '"), "{said}");
        for memory in ["1000%", "60%"] {
            let said = generated(path, memory).unwrap_err();
            assert!(said.contains("checksum") && said.contains("offset "), "{memory}: {said}");
        }
    }
}

#[test]
fn checksums_of_other_files_and_malformed_ones_are_refused() {
    for model in models() {
        let path = model.path.to_str().unwrap();
        assert!(run(&["verify", path, "--seal"]).status.success());
        let good = fs::read_to_string(&model.seal).unwrap();
        let mut without: Value = serde_json::from_str(&good).unwrap();
        without["tensors"].as_array_mut().unwrap().pop();
        let mut longer: Value = serde_json::from_str(&good).unwrap();
        longer["files"][0]["bytes"] = 7.into();
        let version = good.replacen("\"version\":1", "\"version\":2", 1);
        let deep = "[".repeat(100_000);
        for (text, part) in [
            ("", "does not parse"),
            ("{}", "does not parse"),
            (&good[..good.len() / 2], "does not parse"),
            (&deep, "does not parse"),
            (&version, "version 1"),
            (&without.to_string(), "lacks tensor"),
            (&longer.to_string(), "with 7 bytes"),
        ] {
            fs::write(&model.seal, text).unwrap();
            let line = refusal(&["generate", "-m", path, "--tokens", "3", "-n", "1"]);
            assert!(line.contains(part) && line.contains("seal"), "{line}");
        }
        // It can be made again over what is wrong.
        assert!(run(&["verify", path, "--seal"]).status.success());
        assert_eq!(fs::read_to_string(&model.seal).unwrap(), good);
    }
}

#[test]
fn what_cannot_be_sealed_says_why_and_leaves_nothing() {
    let line = refusal(&["verify", "--seal", flint_fixtures::tiny_opt_bundle().to_str().unwrap()]);
    assert!(line.contains("is a bundle and has checksums"), "{line}");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.gguf");
    fs::write(&path, b"GGUF").unwrap();
    refusal(&["verify", "--seal", path.to_str().unwrap()]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    // A directory lies where the checksums should.
    fs::copy(gguf_file("llama-q4_0"), &path).unwrap();
    fs::create_dir(home.path().join("model.gguf.seal.json")).unwrap();
    let line = refusal(&["verify", "--seal", path.to_str().unwrap()]);
    assert!(line.contains("cannot write") && line.contains("seal.json"), "{line}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "no temporary file is left");
}
