//! The chores: run over this very workspace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;

#[test]
fn the_workspace_is_tidy() {
    let findings = xtask::tidy::tidy(xtask::workspace_root()).unwrap();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
