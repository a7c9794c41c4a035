//! How long files and functions may be. Tests are free.

use super::Finding;
use super::functions::functions;
use super::source::Source;

/// No file is longer, in lines.
const FILE: usize = 600;
/// Nine files of ten are no longer, in lines.
const MOST_FILES: usize = 400;
/// No function is longer, in lines with its signature.
const FUNCTION: usize = 70;

/// Finds files and functions that grew too long.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let lines = source.lines_before_tests();
        lengths.push((lines, source.path.as_str()));
        if lines > FILE {
            let text = format!("{lines} lines before the tests: at most {FILE}");
            findings.push(Finding::file(&source.path, text));
        }
        findings.extend(long_functions(source, lines));
    }
    findings.extend(too_many_long_files(lengths));
    findings
}

fn long_functions(source: &Source, lines: usize) -> impl Iterator<Item = Finding> {
    let long = functions(&source.code)
        .into_iter()
        .filter(move |function| function.first < lines && function.lines > FUNCTION);
    long.map(|function| {
        let text = format!("fn {} has {} lines: at most {FUNCTION}", function.name, function.lines);
        Finding::line(&source.path, function.first, text)
    })
}

/// The file at the ninth decile stands for all above it.
fn too_many_long_files(mut lengths: Vec<(usize, &str)>) -> Option<Finding> {
    lengths.sort_unstable();
    let rank = (lengths.len().checked_sub(1)? * 9 + 5) / 10;
    let (lines, path) = lengths[rank];
    (lines > MOST_FILES).then(|| {
        let text = format!("one file of ten has {lines} lines or more: split them at {MOST_FILES}");
        Finding::file(path, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> Source {
        Source::new(path, &"//\n".repeat(lines))
    }

    fn findings(sources: &[Source]) -> Vec<String> {
        check(sources).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_file_of_601_lines_is_too_long() {
        let mut sources: Vec<Source> = (0..20).map(|_| file("short.rs", 1)).collect();
        sources.extend([file("a.rs", 600), file("tests/b.rs", 601)]);
        assert_eq!(findings(&sources), [""; 0]);
        sources.push(file("c.rs", 601));
        assert_eq!(findings(&sources), ["c.rs: 601 lines before the tests: at most 600"]);
    }

    #[test]
    fn one_file_of_ten_may_be_long() {
        let long = |count: usize| -> Vec<Source> {
            (0..20).map(|i| file("a.rs", if i < count { 401 } else { 400 })).collect()
        };
        assert_eq!(findings(&long(2)), [""; 0]);
        assert_eq!(findings(&long(3)).len(), 1);
    }

    #[test]
    fn a_function_of_71_lines_is_too_long() {
        let function = |lines: usize| format!("fn long() {{\n{}}}\n", "\n".repeat(lines - 2));
        assert_eq!(findings(&[Source::new("a.rs", &function(70))]), [""; 0]);
        let text = format!("\n{}", function(71));
        assert_eq!(
            findings(&[Source::new("a.rs", &text)]),
            ["a.rs:2: fn long has 71 lines: at most 70"]
        );
        let text = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(71));
        assert_eq!(findings(&[Source::new("a.rs", &text)]), [""; 0]);
    }
}
