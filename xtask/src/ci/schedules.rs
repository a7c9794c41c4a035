//! Runs the whole engine over devices that fail, in many more schedules than every test run does.

use super::tool::{cargo, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;

/// Schedules of faults.
const SCHEDULES: u32 = 10_000;

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    let mut command = cargo(&["test", "-p", "runtime", "--test", "it", "--"]);
    command.args(["faults::every_schedule", "--nocapture"]);
    call(command.current_dir(root).env("FLINT_FAULT_SCHEDULES", SCHEDULES.to_string()))?;
    Ok(Outcome::Passed)
}
