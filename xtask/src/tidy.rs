//! The habits of the workspace that no compiler checks, each rule in its own file.

mod circles;
mod code;
mod edges;
mod functions;
mod habits;
mod layering;
mod manifest;
mod map;
mod modules;
mod paths;
mod sizes;
mod source;
mod unsafe_list;

use manifest::Manifest;
use source::Source;
use std::fmt;
use std::io;
use std::path::Path;

/// A place where a habit is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the workspace on.
    pub path: String,
    /// The line, counted from 1; `None` when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to do instead.
    pub text: String,
}

impl Finding {
    fn file(path: &str, text: String) -> Finding {
        Finding { path: path.to_owned(), line: None, text }
    }

    /// `index` counts lines from 0.
    fn line(path: &str, index: usize, text: String) -> Finding {
        Finding { path: path.to_owned(), line: Some(index + 1), text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.text),
            None => write!(f, "{}: {}", self.path, self.text),
        }
    }
}

/// Checks the workspace at `root`; the findings are in order of rule, then of path.
///
/// # Errors
/// When a file cannot be read, or a manifest cannot be parsed.
pub fn tidy(root: &Path) -> io::Result<Vec<Finding>> {
    let sources = Source::of_workspace(root)?;
    let manifests = Manifest::of_workspace(root)?;
    let list = read(root, unsafe_list::PATH)?;
    let mut findings = layering::check(&manifests);
    findings.extend(edges::check(&manifests, &sources));
    findings.extend(circles::check(&sources));
    findings.extend(sizes::check(&sources));
    findings.extend(habits::check(&sources));
    findings.extend(unsafe_list::check(&sources, &list));
    findings.extend(map::check(root, &read(root, map::PATH)?));
    Ok(findings)
}

/// The packages as they are, from the leaves up: a line for each with those that it is built on.
///
/// # Errors
/// When a manifest cannot be read or parsed.
pub fn picture(root: &Path) -> io::Result<Vec<String>> {
    Ok(layering::picture(&Manifest::of_workspace(root)?))
}

/// The text of a file; an error names it.
fn read(root: &Path, path: &str) -> io::Result<String> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
    std::fs::read_to_string(root.join(path)).map_err(named)
}
