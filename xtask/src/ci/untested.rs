//! Tests that could not run here: each is told, and only those in the list may be.
//!
//! A passing test that tested nothing looks like any other. So tests write what they skip into a file, and the check fails on
//! lines whose test is neither in `.ci/may-skip` nor named in `FLINT_MAY_SKIP`.

use anyhow::{Context, bail};
use flint_fixtures::SKIPS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

/// Names tests, or modules of tests, that may be skipped on this machine, with commas between them.
const MAY_SKIP: &str = "FLINT_MAY_SKIP";

/// The list of the workspace: a test or a module of tests, a colon, the reason.
const LIST: &str = ".ci/may-skip";

/// A file that goes when the check ends, however it ends.
struct Told(PathBuf);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs `command`, tells what its tests skipped, and fails on skips that nobody allowed.
///
/// # Errors
/// When the command fails, or a test was skipped that may not be.
pub(super) fn run(
    root: &Path,
    mut command: Command,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let told = Told(env::temp_dir().join(format!("flint-skips-{}", process::id())));
    let ran = super::tool::run(command.env(SKIPS, &told.0));
    let lines = fs::read_to_string(&told.0).unwrap_or_default();
    let lines: BTreeSet<&str> = lines.lines().collect();
    if !lines.is_empty() {
        say("== skipped");
        lines.iter().for_each(|line| say(line));
    }
    ran?;
    let list =
        fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let also = env::var(MAY_SKIP).unwrap_or_default();
    match forbidden(&lines, &list, &also)[..] {
        [] => Ok(()),
        [ref first, ..] => bail!(
            "'{first}' was skipped and may not be: make it run here, or name it in {MAY_SKIP} or {LIST}"
        ),
    }
}

/// The tests among `lines` that may not be skipped.
fn forbidden(lines: &BTreeSet<&str>, list: &str, also: &str) -> Vec<String> {
    let listed = list.lines().filter(|line| !line.starts_with('#'));
    let listed = listed.filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
    let allowed: Vec<&str> = listed.chain(also.split(',').map(str::trim)).collect();
    let may = |test: &str| {
        let within = |name: &&str| test.strip_prefix(*name).is_some_and(|it| it.starts_with("::"));
        allowed.iter().any(|name| *name == test || !name.is_empty() && within(name))
    };
    let tests = lines.iter().map(|line| line.split_once(": ").map_or(*line, |(test, _)| test));
    tests.filter(|test| !may(test)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_allowed_by_its_name_or_that_of_its_module() {
        let lines = BTreeSet::from(["groups::held: no rights", "disks::stall: none", "alone: why"]);
        let list = "# a comment: with a colon\ngroups: needs root\n";
        assert_eq!(forbidden(&lines, list, ""), ["alone", "disks::stall"]);
        assert_eq!(forbidden(&lines, list, "alone, disks::stall"), [""; 0]);
        // A name that only begins alike is another test.
        assert_eq!(forbidden(&lines, "group: x\ndisks::sta: y\n", "alone").len(), 2);
    }

    #[test]
    fn a_skip_that_nobody_allowed_fails_the_check_and_is_told() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(".ci")).unwrap();
        fs::write(root.path().join(LIST), "known: a reason\n").unwrap();
        let run = |script: &str| {
            let (mut command, mut said) = (Command::new("sh"), Vec::new());
            command.args(["-c", script]);
            let ran = super::run(root.path(), command, &mut |line| said.push(line.to_owned()));
            (ran.map_err(|error| error.to_string()), said)
        };
        assert_eq!(run("true"), (Ok(()), vec![]));
        let (ran, said) = run("echo 'known: not here' >> $FLINT_SKIPS");
        assert_eq!((ran, said.last().map(String::as_str)), (Ok(()), Some("known: not here")));
        let (ran, said) = run("echo 'other: not here' >> $FLINT_SKIPS");
        assert!(ran.unwrap_err().contains("'other' was skipped"));
        assert_eq!(said.last().map(String::as_str), Some("other: not here"));
        assert!(run("false").0.is_err());
    }
}
