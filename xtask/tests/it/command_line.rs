//! The command line: its own tasks, and those that it hands on, to programs that stand in for Flint and the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::handed_on::CHORES;

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Copies a program. A process of its own writes it: what another test starts meanwhile would hold it open for writing if this one
/// did, and then it cannot be started ("Text file busy").
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-p").args([from, to]).status().unwrap().success());
}

/// Writes a program that is a shell script.
fn write_script(path: &Path, script: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    copy_program(&draft, path);
}

/// Copies xtask into `directory`.
fn copy_of_xtask(directory: &Path) -> PathBuf {
    let copy = directory.join("xtask");
    copy_program(Path::new(env!("CARGO_BIN_EXE_xtask")), &copy);
    copy
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
    assert!(said.starts_with("xtask: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn chores_go_to_the_program_beside_this_one_with_all_arguments_and_its_status() {
    let directory = tempfile::tempdir().unwrap();
    let own = copy_of_xtask(directory.path());
    for name in ["flint", "lab"] {
        let script = format!("printf '%s|' {name} \"$@\"; exit 7");
        write_script(&directory.path().join(name), &script);
    }
    for (arguments, expected) in [
        (
            &["convert", "a b", "--out", "-", "--", "--help"][..],
            "flint|convert|a b|--out|-|--|--help|",
        ),
        (&["convert", "--help"], "flint|convert|--help|"),
        (&["synth-run", "-n", "3", ""], "lab|synth-run|-n|3||"),
        (&["help", "trace"], "lab|trace|--help|"),
    ] {
        let output = Command::new(&own).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (expected, ""));
    }
}

#[test]
fn a_program_that_is_missing_and_cannot_be_built_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::create_dir(&release).unwrap();
    let own = copy_of_xtask(&release);
    let cargo = directory.path().join("cargo");
    write_script(&cargo, "echo \"$@\" >&2; exit 3");
    let output = Command::new(own).args(["fio", "--help"]).env("CARGO", &cargo).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    let asked = "build --quiet --package flint-lab --bin lab --profile release --target-dir ";
    assert!(said.starts_with(asked), "{said}");
    assert!(said.contains("release/lab is not there"), "{said}");
}
