//! The files and folders that ARCHITECTURE.md names are where it says: a map of streets that moved is worse than none.

use super::Finding;
use std::path::Path;

/// The map.
pub(super) const PATH: &str = "ARCHITECTURE.md";

/// Where a path may start: at the root of the workspace, or at the folder of its crates.
const STARTS: [&str; 2] = ["", "crates"];

/// Finds paths in `map` that lead nowhere.
pub(super) fn check(root: &Path, map: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in map.lines().enumerate() {
        // Every second piece stands between two marks of code.
        for named in line.split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
            if !STARTS.iter().any(|start| root.join(start).join(named).exists()) {
                let text = format!("names '{named}', which is not there");
                findings.push(Finding::line(PATH, index, text));
            }
        }
    }
    findings
}

/// Whether it reads like a path in the workspace: of several parts, and a Rust file or a folder.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let ends = text.ends_with(".rs") || text.ends_with('/');
    ends && text.trim_end_matches('/').contains('/') && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_nowhere_is_found_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("crates/a/src")).unwrap();
        std::fs::write(root.path().join("crates/a/src/b.rs"), "").unwrap();
        let map = "`a/src/b.rs` and `crates/a/src/`\nnot `a/src/c.rs`, nor `x.rs` or `a::b`\n";
        let findings: Vec<String> =
            check(root.path(), map).iter().map(Finding::to_string).collect();
        assert_eq!(findings, ["ARCHITECTURE.md:2: names 'a/src/c.rs', which is not there"]);
    }
}
