//! Runs the tests of the crates that miri can run: the leaves, and the bundle.

use super::tool::{cargo, cargo_has, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;

/// Tests with thousands of cases, or files of megabytes: the same code as in others, and days under miri.
const TOO_LONG: [&str; 4] = ["random_", "great_numbers", "every_altered", "every_truncation"];

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    if !cargo_has(&["+nightly", "miri", "--version"]) {
        let install = "rustup toolchain install nightly --component miri,rust-src";
        return Ok(Outcome::Skipped(format!("no miri: {install}")));
    }
    // Several schedules of the threads, which miri checks for races in each.
    let mut leaves =
        cargo(&["+nightly", "miri", "test", "-p", "flint-geometry", "-p", "flint-iobuf"]);
    call(leaves.current_dir(root).env("MIRIFLAGS", "-Zmiri-many-seeds=0..8"))?;
    let mut bundle = cargo(&["+nightly", "miri", "test", "-p", "flint-bundle", "--"]);
    for name in TOO_LONG {
        bundle.args(["--skip", name]);
    }
    // Its tests read and write files.
    call(bundle.current_dir(root).env("MIRIFLAGS", "-Zmiri-disable-isolation"))?;
    Ok(Outcome::Passed)
}
