//! Holds generation to its memory limit on a bundle of more than a gigabyte, which every test run has no time to make.

use super::tool::{cargo, lab, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;

/// The smallest scale of opt-6.7b, in whole layers of the full width, that has a gigabyte.
const SCALE: &str = "1/12";

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    if let Err(error) = flint_fixtures::ControlGroup::new(None) {
        return Ok(Outcome::Skipped(error.to_string()));
    }
    let out = root.join("target/ci-large.flint");
    let mut order = lab(&["synth", "opt-6.7b", "--scale", SCALE, "--force", "--out"]);
    call(order.current_dir(root).arg(&out))?;
    let mut command =
        cargo(&["test", "-p", "runtime", "--test", "it", "--", "gigabyte", "--nocapture"]);
    let held = call(command.current_dir(root).env("FLINT_LARGE_BUNDLE", &out));
    let removed = std::fs::remove_dir_all(&out);
    held?;
    removed?;
    Ok(Outcome::Passed)
}
