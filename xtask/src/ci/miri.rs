//! Runs the tests of the crates that miri can run: the leaves, and the bundle.

use super::tool::{cargo, cargo_has, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;

/// Tests with thousands of cases, or files of megabytes: the same code as in others, and days under miri.
const TOO_LONG: [&str; 4] = ["random_", "great_numbers", "every_altered", "every_truncation"];

/// Cases of a property: every operation takes a thousand times as long.
const FEW: &str = "4";

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    if !cargo_has(&["+nightly", "miri", "--version"]) {
        let install = "rustup toolchain install nightly --component miri,rust-src";
        return Ok(Outcome::Skipped(format!("no miri: {install}")));
    }
    // Several schedules of the threads, which miri checks for races in each.
    let mut leaves =
        cargo(&["+nightly", "miri", "test", "-p", "flint-geometry", "-p", "flint-iobuf"]);
    leaves.env("MIRIFLAGS", "-Zmiri-disable-isolation -Zmiri-many-seeds=0..4");
    call(leaves.current_dir(root).env("PROPTEST_CASES", FEW))?;
    let mut bundle = cargo(&["+nightly", "miri", "test", "-p", "flint-bundle", "--"]);
    for name in TOO_LONG {
        bundle.args(["--skip", name]);
    }
    // Its tests read and write files.
    bundle.env("MIRIFLAGS", "-Zmiri-disable-isolation");
    call(bundle.current_dir(root).env("PROPTEST_CASES", FEW))?;
    Ok(Outcome::Passed)
}
