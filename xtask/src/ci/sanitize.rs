//! Runs the tests of the crates with unsafe code under the address sanitizer.

use super::tool::{cargo, cargo_has, run as call};
use super::{DeepArgs, Outcome};
use std::path::Path;
use std::process::Command;

/// Crates with unsafe code, as docs/UNSAFE.md lists it.
const CRATES: [&str; 4] = ["flint-iobuf", "flint-flash-io", "flint-kernels", "flint-predictor"];

pub(super) fn run(root: &Path, _: &DeepArgs) -> anyhow::Result<Outcome> {
    if !cargo_has(&["+nightly", "--version"]) {
        return Ok(Outcome::Skipped(
            "no nightly toolchain: rustup toolchain install nightly".into(),
        ));
    }
    let Some(host) = host() else {
        return Ok(Outcome::Skipped("the nightly compiler does not say what it builds for".into()));
    };
    // With a target of its own, build scripts and macros are built without the sanitizer.
    let mut command = cargo(&["+nightly", "test", "--target", &host, "--tests"]);
    for name in CRATES {
        command.args(["-p", name]);
    }
    command.current_dir(root).env("RUSTFLAGS", "-Zsanitizer=address");
    command.env("CARGO_TARGET_DIR", root.join("target/sanitize"));
    call(&mut command)?;
    Ok(Outcome::Passed)
}

/// The machine that the nightly compiler builds for.
fn host() -> Option<String> {
    let mut command = Command::new("rustc");
    let output = command.args(["+nightly", "-vV"]).env_remove("RUSTUP_TOOLCHAIN").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
