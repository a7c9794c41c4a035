//! The real binary, as a user starts it: with limits of a shell, with signals, in a mount namespace of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command line of flint, its output kept.
pub(crate) fn flint(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flint"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// The same below `ulimit LIMIT` of a shell.
pub(crate) fn limited(limit: &str, arguments: &[&str]) -> Command {
    let script = format!("ulimit {limit} && exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_flint")]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// What `script` does with mounts that nobody else sees: `$FLINT` is the binary, `$1` and so on are the
/// arguments. `None`, said aloud, where this user may not mount (the script exits with 77 then).
pub(crate) fn mounted(script: &str, arguments: &[&Path]) -> Option<Output> {
    let kind = if rustix::process::getuid().is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare")
        .args([kind, "sh", "-c", script, "sh"])
        .args(arguments)
        .env("FLINT", env!("CARGO_BIN_EXE_flint"))
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) if output.status.code() != Some(77) => output,
        other => {
            flint_fixtures::skip(format_args!("no mounts of our own here ({other:?})"));
            return None;
        }
    };
    // unshare itself says so where namespaces are forbidden.
    if String::from_utf8_lossy(&output.stderr).starts_with("unshare:") {
        flint_fixtures::skip(String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// What a child that was left alone did, and how long it took; killed when it takes longer than `patience`.
pub(crate) fn ended(
    mut child: Child,
    patience: Duration,
) -> (ExitStatus, Duration, String, String) {
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > patience {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("still running after {patience:?}: {output:?}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    let took = began.elapsed();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    if let Some(pipe) = &mut child.stdout {
        pipe.read_to_string(&mut stdout).unwrap();
    }
    if let Some(pipe) = &mut child.stderr {
        pipe.read_to_string(&mut stderr).unwrap();
    }
    (status, took, stdout, stderr)
}

/// Waits until `seen` or gives up.
pub(crate) fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !seen() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
