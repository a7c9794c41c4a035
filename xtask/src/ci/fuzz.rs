//! Runs every fuzz target for a while, from seeds that are made of the fixtures.

use super::tool::{cargo, cargo_has, lab, run as call};
use super::{DeepArgs, Outcome};
use anyhow::bail;
use std::path::Path;

/// Most memory that a target may take, in megabytes: the largest seed with room, under the address sanitizer.
const MEMORY_MB: u32 = 1024;

/// Longest that one input may take, in seconds.
const PATIENCE: u32 = 20;

/// Longest input, in bytes: what matters is in the structure, and short inputs run more often.
const LONGEST: u32 = 32 << 10;

pub(super) fn run(root: &Path, deep: &DeepArgs) -> anyhow::Result<Outcome> {
    if !cargo_has(&["+nightly", "--version"]) {
        return Ok(Outcome::Skipped(
            "no nightly toolchain: rustup toolchain install nightly".into(),
        ));
    }
    if !cargo_has(&["+nightly", "fuzz", "--version"]) {
        return Ok(Outcome::Skipped("no cargo-fuzz: cargo install cargo-fuzz".into()));
    }
    let targets = targets(root)?;
    if let Some(target) = deep.target.as_ref().filter(|target| !targets.contains(target)) {
        bail!("there is no fuzz target '{target}': there are {}", targets.join(", "));
    }
    let wanted = |target: &&String| deep.target.as_ref().is_none_or(|only| only == *target);
    for target in targets.iter().filter(wanted) {
        let corpus = root.join("fuzz/corpus").join(target);
        call(lab(&["fuzz-seeds", target]).current_dir(root).arg(&corpus))?;
        let mut command = cargo(&["+nightly", "fuzz", "run", target]);
        command.current_dir(root.join("fuzz")).arg(&corpus).arg("--");
        command.arg(format!("-max_total_time={}", deep.seconds));
        command.args([
            format!("-rss_limit_mb={MEMORY_MB}"),
            format!("-timeout={PATIENCE}"),
            format!("-max_len={LONGEST}"),
            "-print_final_stats=1".to_owned(),
            "-verbosity=0".to_owned(),
        ]);
        call(&mut command)?;
    }
    Ok(Outcome::Passed)
}

/// The names of the targets: one file each.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(root.join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}
