//! One Rust file of the workspace, taken apart as the rules need it.

use super::{code, read};
use std::fs;
use std::io;
use std::path::Path;

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the workspace on, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The text without comments and the insides of literals.
    pub(super) code: String,
    /// The comments alone.
    pub(super) comments: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let code::Halves { code, comments } = code::split(text);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// Every Rust file below `root`, by ascending path, without hidden directories and build outputs.
    pub(super) fn of_workspace(root: &Path) -> io::Result<Vec<Source>> {
        let mut sources = Vec::new();
        collect(root, "", &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    /// Whether the file holds only tests or benches.
    pub(super) fn is_test(&self) -> bool {
        let directories = ["tests", "benches", "examples"];
        self.path.split('/').any(|part| directories.contains(&part))
            || self.path.ends_with("/tests.rs")
    }

    /// How many lines come before the inline tests.
    pub(super) fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.code.lines().collect();
        let is_module = |line: &&str| code::has_word(line, "mod") && line.ends_with('{');
        lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && is_module(&pair[1]))
            .unwrap_or(lines.len())
    }
}

/// Adds the Rust files of `root`/`directory`; `directory` ends with a slash unless it is empty.
fn collect(root: &Path, directory: &str, sources: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{directory}{name}");
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(root, &format!("{path}/"), sources)?;
            }
        } else if name.ends_with(".rs") {
            sources.push(Source::new(&path, &read(root, &path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_tests_do_not_count() {
        let source = Source::new("a.rs", "//! a\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.lines_before_tests(), 3);
        assert_eq!(
            Source::new("a.rs", "//! a\n#[cfg(test)]\nmod tests;\n").lines_before_tests(),
            3
        );
    }

    #[test]
    fn tests_are_known_by_their_directory() {
        assert!(Source::new("crates/a/tests/it/main.rs", "").is_test());
        assert!(Source::new("benches/benches/a.rs", "").is_test());
        assert!(!Source::new("crates/tests_of/src/a.rs", "").is_test());
    }
}
