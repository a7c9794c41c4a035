//! The tasks of the binary are those that `cargo xtask` hands on.

use std::collections::BTreeMap;
use std::process::Command;
use xtask::handed_on::{CHORES, LAB};

#[test]
fn xtask_hands_on_every_task_under_its_name_and_with_its_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, tasks) = help.split_once("Commands:\n").unwrap();
    let tasks = tasks.lines().take_while(|line| !line.is_empty());
    let tasks: BTreeMap<&str, &str> = tasks
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(name, about)| (name, about.trim()))
        .filter(|(name, _)| *name != "help")
        .collect();
    let handed_on = CHORES.iter().filter(|chore| chore.program == LAB);
    let handed_on: BTreeMap<&str, &str> =
        handed_on.map(|chore| (chore.name, chore.about)).collect();
    assert_eq!(tasks, handed_on);
}
