//! Convert loses nothing: killed, out of room, two at once, a target that cannot be written.

mod killed;
mod no_room;

use crate::program::{ended, flint, mounted};
use flint_engine::OpenModel;
use flint_fixtures::oracle;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::Duration;

/// Longer than any conversion of a small fixture.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversion of the fixture `name` to `out`, without predictors.
fn convert(name: &str, out: &Path, extra: &[&str]) -> std::process::Command {
    let from = oracle(name);
    let run = ["convert", from.to_str().unwrap(), "--out", out.to_str().unwrap(), "--no-predictor"];
    flint(&[&run[..], extra].concat())
}

/// Every byte of the bundle at `dir` checked; the names of its files where it is one.
fn whole(dir: &Path) -> Option<BTreeSet<PathBuf>> {
    if !dir.join("manifest.bin").exists() {
        assert!(OpenModel::open(dir).is_err());
        return None;
    }
    let files = OpenModel::open(dir).unwrap();
    files.bundle().unwrap().verify(&mut |_, _| {}).unwrap();
    Some(names(dir))
}

fn names(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// One line that says `parts`.
fn one_line(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    // What was planned is said before; the error is the last line, and the only one of its kind.
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("flint:")).collect();
    let [line] = errors[..] else { panic!("{text}") };
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

#[test]
fn of_two_converts_to_one_place_one_is_refused_and_the_bundle_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut refusals = 0;
    for round in 0..12 {
        let out = home.path().join(format!("{round}.flint"));
        // Every other pair replaces a bundle that is there.
        let extra: &[&str] = if round % 2 == 1 { &["--force"] } else { &[] };
        if round % 2 == 1 {
            assert!(convert("phi-2-relu", &out, &[]).status().unwrap().success());
        }
        let pair: [Child; 2] =
            ["opt-post-ln-free", "llama-2"].map(|name| convert(name, &out, extra).spawn().unwrap());
        let pair = pair.map(|child| ended(child, PATIENCE));
        let good = pair.iter().filter(|(status, ..)| status.success()).count();
        assert!(good >= 1, "{pair:?}");
        for (status, _, _, stderr) in pair.iter().filter(|(status, ..)| !status.success()) {
            refusals += 1;
            assert_eq!(status.code(), Some(2), "{stderr}");
            let said = ["another process", "already holds a bundle"];
            assert!(said.iter().any(|part| stderr.contains(part)), "{stderr}");
        }
        assert_eq!(whole(&out).map(|names| names.len()), Some(4), "{pair:?}");
    }
    assert!(refusals > 0, "no two of them ever met");
}

#[test]
fn a_target_that_cannot_be_written_is_said_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("old.flint");
    assert!(convert("opt-post-ln-free", &out, &[]).status().unwrap().success());
    let before = whole(&out);
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" || exit 77
        $FLINT convert \"$2\" --out \"$1/old.flint\" --force --no-predictor; echo $?
        $FLINT convert \"$2\" --out \"$1/new.flint\" --no-predictor; echo $?
        $FLINT verify \"$1/old.flint\" --json";
    let Some(output) = mounted(script, &[home.path(), &oracle("llama-2")]) else { return };
    let (said, stderr) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(said).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert!(said[..2] == ["1", "1"] && said[2].contains("true"), "{said:?}: {stderr}");
    let errors = stderr.lines().filter(|line| line.starts_with("flint:"));
    let errors: Vec<&str> = errors.collect();
    assert_eq!(errors.len(), 2, "{stderr}");
    for error in errors {
        assert!(error.contains("Read-only") && error.contains("choose a directory"), "{error}");
    }
    assert_eq!(whole(&out), before);
    assert!(!home.path().join("new.flint").exists());
}

#[test]
fn a_second_calibration_of_one_bundle_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("tiny.flint");
    crate::device::copy(&flint_fixtures::tiny_opt_bundle(), &out);
    let run = ["convert", "--predictors-only", "--out", out.to_str().unwrap()];
    let first = flint(&run).spawn().unwrap();
    let work = home.path().join("tiny.flint.calibration");
    crate::program::wait_until("the first began", || work.join("key").exists());
    let output = flint(&run).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    one_line(&output, &["another process makes predictors"]);
    crate::program::signal(&first, rustix::process::Signal::TERM);
    let (status, ..) = ended(first, crate::manners::SOON);
    assert_eq!(status.code(), Some(143));
    assert!(whole(&out).is_some());
}
