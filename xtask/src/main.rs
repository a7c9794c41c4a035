//! The chores of the workspace: `cargo xtask TASK`.
#![expect(clippy::print_stderr, reason = "findings go to whoever runs the task")]

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use xtask::handed_on::{self, CHORES};

/// The chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// What is done here; the rest is handed on.
#[derive(Debug, Subcommand)]
enum Task {
    /// Run all checks; `deep` those that take long, too: fuzzing, miri, sanitizer, dependencies.
    #[command(display_order = 0)]
    Ci(xtask::ci::CiArgs),
    /// Check layering, circles, sizes, headers, file names and the list of unsafe files.
    #[command(display_order = 0)]
    Tidy,
}

const AFTER_HELP: &str = "\
ci and tidy are done here. The programs flint (convert) and lab (the others) lie beside this one; each is built where it is
not there, and not built anew after a change: cargo build -p runtime -p flint-lab does that.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((program, arguments)) = handed_on::find(&arguments) {
        return fail(&handed_on::become_program(program, &arguments));
    }
    let matches = command().try_get_matches();
    match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(Arguments { task: Task::Ci(args) }) => {
            match xtask::ci::ci(&args, &mut |line| eprintln!("{line}")) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error),
            }
        }
        Ok(Arguments { task: Task::Tidy }) => tidy().unwrap_or_else(|error| fail(&error)),
        Err(error) => usage(&error),
    }
}

/// The command line with all tasks, by name: the same order for those done here and those handed on.
fn command() -> clap::Command {
    let listed = |chore: &handed_on::Chore| {
        clap::Command::new(chore.name).about(chore.about).display_order(0)
    };
    Arguments::command().subcommands(CHORES.iter().map(listed)).after_help(AFTER_HELP)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("xtask: {error:#}");
    ExitCode::FAILURE
}

/// Help goes to stdout; a mistake becomes one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Where nobody reads it, nothing is lost.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = said.collect::<Vec<_>>().join(" ");
    eprintln!("xtask: {} (see --help)", line.strip_prefix("error: ").unwrap_or(&line));
    ExitCode::from(2)
}

/// One line per finding.
fn tidy() -> anyhow::Result<ExitCode> {
    let findings = xtask::tidy::tidy(xtask::workspace_root())?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    for line in xtask::tidy::picture(xtask::workspace_root())? {
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
