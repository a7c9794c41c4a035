//! The chores: run over this very workspace, and over small files and commands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod compare;
mod gguf;
mod paper;
mod synth;

#[test]
fn the_workspace_is_tidy() {
    let findings = xtask::tidy::tidy(xtask::workspace_root()).unwrap();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
