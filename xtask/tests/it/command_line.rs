//! The command line: its own tasks, and those that it hands on, to programs that stand in for Flint and the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use xtask::handed_on::CHORES;

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A copy of xtask in `directory`, beside a `flint` and a `lab` that print their arguments and exit with 7.
fn beside_stand_ins(directory: &Path) -> impl Fn(&[&str]) -> Output {
    let own = directory.join("xtask");
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &own).unwrap();
    for name in ["flint", "lab"] {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\nprintf '%s|' {name} \"$@\"\nexit 7\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    move |arguments| Command::new(&own).args(arguments).output().unwrap()
}

#[test]
fn help_lists_every_task_in_one_line() {
    let output = xtask(&["--help"]);
    assert!(output.status.success(), "{output:?}");
    let help = text(&output.stdout);
    let own = ["ci", "tidy"].into_iter().map(|name| (name, ""));
    for (name, about) in own.chain(CHORES.iter().map(|chore| (chore.name, chore.about))) {
        let starts = |line: &&str| line.trim_start().starts_with(&format!("{name} "));
        let line = help.lines().find(starts).unwrap_or_else(|| panic!("no {name} in\n{help}"));
        assert!(line.ends_with(about), "{line}");
    }
}

#[test]
fn a_mistake_is_one_line_and_status_2() {
    let output = xtask(&["tidier"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    let said = text(&output.stderr);
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn chores_go_to_the_program_beside_this_one_with_all_arguments_and_its_status() {
    let directory = tempfile::tempdir().unwrap();
    let run = beside_stand_ins(directory.path());
    for (arguments, expected) in [
        (
            &["convert", "a b", "--out", "-", "--", "--help"][..],
            "flint|convert|a b|--out|-|--|--help|",
        ),
        (&["convert", "--help"], "flint|convert|--help|"),
        (&["synth-run", "-n", "3", ""], "lab|synth-run|-n|3||"),
        (&["help", "trace"], "lab|trace|--help|"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (expected, ""));
    }
}

#[test]
fn a_program_that_is_missing_and_cannot_be_built_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::create_dir(&release).unwrap();
    beside_stand_ins(&release);
    fs::remove_file(release.join("lab")).unwrap();
    let cargo = directory.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho \"$@\" >&2\nexit 3\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(release.join("xtask"));
    let output = command.args(["fio", "--help"]).env("CARGO", &cargo).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    let asked = "build --quiet --package flint-lab --bin lab --profile release --target-dir ";
    assert!(said.starts_with(asked), "{said}");
    assert!(said.contains("release/lab is not there"), "{said}");
}
