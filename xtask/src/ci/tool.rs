//! Finds and runs the tools of the deep check.

use anyhow::{Context, bail};
use std::process::{Command, Stdio};

/// Runs a command; its output goes where ours goes.
///
/// # Errors
/// When it cannot be started, or says that it failed.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Whether cargo with these arguments does anything: a subcommand or toolchain that is missing does not.
pub(super) fn cargo_has(arguments: &[&str]) -> bool {
    let quiet = cargo(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// A command of the lab, which is built anew where it changed.
pub(super) fn lab(arguments: &[&str]) -> Command {
    let mut command = cargo(&["run", "--quiet", "--package", "flint-lab", "--bin", "lab", "--"]);
    command.args(arguments);
    command
}

/// Cargo as a user calls it: the one that runs this program would not take another toolchain.
pub(super) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}
