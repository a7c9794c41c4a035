//! Chores that other programs of the workspace do: their names, and how a command line gets there.
//!
//! The program is the one that lies beside this one, so that `target/release/xtask convert` stays a program built with
//! optimisation; where it is not there yet, it is built in the same profile.

use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The package that it is built from.
    pub package: &'static str,
    /// What it is called.
    pub binary: &'static str,
}

/// The command line of Flint.
pub const FLINT: Program = Program { package: "runtime", binary: "flint" };

/// Synthetic models, tables and comparisons.
pub const LAB: Program = Program { package: "flint-lab", binary: "lab" };

/// A chore that is handed on.
#[derive(Debug, Clone, Copy)]
pub struct Chore {
    /// Its name here, which is its name there.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Who does it.
    pub program: Program,
}

const fn flint(name: &'static str, about: &'static str) -> Chore {
    Chore { name, about, program: FLINT }
}

const fn lab(name: &'static str, about: &'static str) -> Chore {
    Chore { name, about, program: LAB }
}

/// All of them, by name. Another one is a line here.
pub const CHORES: [Chore; 14] = [
    lab(
        "arithmetic",
        "Measure what each arithmetic of quantised weights costs in quality and time",
    ),
    lab(
        "compare",
        "Run Flint and a peer in equal memory, interleaved, and compare speed, reads and memory",
    ),
    flint("convert", "Turn a HuggingFace checkpoint into a bundle"),
    lab("drafts", "Measure what drafts are worth: the same texts with and without them, in turn"),
    lab("fio", "Compare reading with fio's io_uring engine, in paired slices"),
    lab("gguf", "Write a GGUF file of random weights in the shape of a model, for peers"),
    lab("measure", "Measure decoding at several memory budgets: a table of medians"),
    lab(
        "paper",
        "Measure what each part of the method is worth on models of the paper's sizes: its tables, on this machine",
    ),
    lab(
        "synth",
        "Write a bundle of a published shape with made-up weights that behave as published",
    ),
    lab(
        "synth-report",
        "Run a synthetic bundle and hold its statistics against the published ones; fails when they are off",
    ),
    lab(
        "synth-run",
        "Run a synthetic bundle on its text, every token given, and say what it did beside what it had to do",
    ),
    lab("synth-tokens", "Print the tokens that a synthetic bundle is run on"),
    lab(
        "trace",
        "Replay the predicted neurons of a run through every cache policy, beside the optimum",
    ),
    lab("train-layer", "Time and memory of training the predictor of one layer of a given size"),
];

/// The program and its arguments, where these arguments (without the name of this program) name a chore that is
/// handed on. What follows the name is not looked at, but that `help NAME` asks the program for its help.
pub fn find(arguments: &[OsString]) -> Option<(Program, Vec<OsString>)> {
    let chore = |name: &OsStr| CHORES.iter().find(|chore| name == chore.name);
    let (first, rest) = arguments.split_first()?;
    if let Some(chore) = chore(first) {
        return Some((chore.program, arguments.to_vec()));
    }
    let [name] = rest else { return None };
    let chore = chore(name).filter(|_| first == "help")?;
    Some((chore.program, vec![chore.name.into(), "--help".into()]))
}

/// Becomes the program: its exit status is that of this process. Returns only where that fails.
///
/// # Errors
/// When it is neither there nor can be built, or cannot be started.
pub fn become_program(program: Program, arguments: &[OsString]) -> anyhow::Error {
    let started = beside(program).map(|path| {
        let error = Command::new(&path).args(arguments).exec();
        anyhow::Error::new(error).context(format!("cannot start {}", path.display()))
    });
    started.unwrap_or_else(|error| error)
}

/// Where the program lies; it is built where it does not.
fn beside(program: Program) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let directory = own.parent().unwrap_or(Path::new("."));
    let path = directory.join(format!("{}{}", program.binary, std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    let root = crate::workspace_root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = build(program, directory, &cargo);
    let status = build.current_dir(root).status();
    let status = status.with_context(|| format!("cannot start {build:?}"))?;
    if !status.success() {
        bail!("{} is not there, and {build:?} ended with {status}", path.display());
    }
    if !path.is_file() {
        bail!("{} is not there, though {build:?} went well", path.display());
    }
    Ok(path)
}

/// The command that puts the program into a directory of cargo's outputs, which is called after its profile.
fn build(program: Program, directory: &Path, cargo: &OsStr) -> Command {
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", program.package, "--bin", program.binary]);
    let profile = match directory.file_name() {
        Some(name) if name != "debug" => name,
        _ => OsStr::new("dev"),
    };
    build.arg("--profile").arg(profile);
    if let Some(target) = directory.parent() {
        build.arg("--target-dir").arg(target);
    }
    build
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<(&'static str, String)> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (program, arguments) = find(&arguments)?;
        Some((program.binary, arguments.join(OsStr::new(" ")).into_string().unwrap()))
    }

    #[test]
    fn a_command_line_goes_on_as_it_is() {
        for line in ["convert", "convert a --out b.flint", "convert --help", "convert -- --out -h"]
        {
            assert_eq!(found(line), Some(("flint", line.to_owned())));
        }
        let line = "synth-run m.flint --memory 50% -n 3";
        assert_eq!(found(line), Some(("lab", line.to_owned())));
    }

    #[test]
    fn help_of_a_chore_is_asked_of_who_does_it() {
        assert_eq!(found("help convert"), Some(("flint", "convert --help".to_owned())));
        for own in ["help", "help ci", "--help", "tidy", "ci deep", "tidy convert", "con"] {
            assert_eq!(found(own), None, "{own}");
        }
    }

    #[test]
    fn a_missing_program_is_built_in_the_profile_of_this_one() {
        let line = |directory: &str| {
            let command = build(LAB, Path::new(directory), OsStr::new("cargo"));
            let words = command.get_args().map(|word| word.to_str().unwrap()).collect::<Vec<_>>();
            words.join(" ")
        };
        let start = "build --quiet --package flint-lab --bin lab --profile";
        assert_eq!(line("/t/debug"), format!("{start} dev --target-dir /t"));
        assert_eq!(line("/t/release"), format!("{start} release --target-dir /t"));
    }

    #[test]
    fn chores_are_in_order() {
        assert!(CHORES.is_sorted_by_key(|chore| chore.name));
    }
}
