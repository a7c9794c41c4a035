//! Runs the program and learns its exit status, what it said, and its peak memory from itself.

use std::process::{Command, Stdio};

/// How a run of the program ended.
pub(super) struct Ended {
    pub(super) status: Option<i32>,
    /// Lines of stderr, without logs.
    pub(super) lines: Vec<String>,
    pub(super) stdout: String,
    /// Peak resident memory, in bytes.
    pub(super) peak: u64,
}

/// What the program logs last, where logs are on.
const PEAK: &str = "peak_rss_bytes=";

/// Runs the program.
pub(super) fn flint(arguments: &[&str]) -> Ended {
    // The kernel's own account of a child counts the memory of the process that it was forked from.
    let output = Command::new(env!("CARGO_BIN_EXE_flint"))
        .args(arguments)
        .env("RUST_LOG", "runtime::cli=debug")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let is_log = |line: &&str| line.contains(PEAK);
    let log = said.lines().find(is_log);
    let peak = log.and_then(|line| line.split(PEAK).nth(1)?.trim().parse().ok());
    Ended {
        status: output.status.code(),
        lines: said.lines().filter(|line| !is_log(line)).map(str::to_owned).collect(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        peak: peak.unwrap_or_else(|| panic!("no peak in: {said}")),
    }
}

impl Ended {
    /// Checks exit status 2 and one line of error, the last, that holds `parts`.
    pub(super) fn refused(&self, attack: &str, parts: &[&str]) {
        let last = self.lines.last().map(String::as_str).unwrap_or_default();
        assert_eq!(self.status, Some(2), "{attack}: {:?}", self.lines);
        let errors = self.lines.iter().filter(|line| line.starts_with("flint: "));
        assert_eq!(errors.count(), 1, "{attack}: {:?}", self.lines);
        assert!(last.starts_with("flint: ") && last.len() < 1500, "{attack}: {last}");
        assert!(!last.contains("bug in flint"), "{attack}: {last}");
        for part in parts {
            assert!(last.contains(part), "{attack}: '{part}' is not in: {last}");
        }
        assert_eq!(self.stdout, "", "{attack}");
    }
}
