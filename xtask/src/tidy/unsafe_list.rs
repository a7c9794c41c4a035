//! Unsafe code lives in the files that docs/UNSAFE.md lists, and every use says why it is sound.

use super::Finding;
use super::code::has_word;
use super::source::Source;
use std::collections::BTreeSet;

/// The list, from the root of the workspace on.
pub(super) const PATH: &str = "docs/UNSAFE.md";

/// How far above its block a SAFETY comment may start, in lines without a blank one.
const REACH: usize = 8;

/// Compares the files that hold unsafe code with the list, and looks for the comment at every use.
pub(super) fn check(sources: &[Source], list: &str) -> Vec<Finding> {
    let listed: BTreeSet<&str> = list.lines().filter_map(first_column_path).collect();
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources {
        if source.code.lines().any(|line| has_word(line, "unsafe")) {
            used.insert(source.path.as_str());
            findings.extend(uses_without_reason(source));
        }
    }
    for path in used.difference(&listed) {
        findings.push(Finding::file(path, format!("holds unsafe code and is not in {PATH}")));
    }
    for path in listed.difference(&used) {
        findings.push(Finding::file(PATH, format!("lists {path}, which holds no unsafe code")));
    }
    findings
}

/// The path in backticks that a row of the table starts with.
fn first_column_path(line: &str) -> Option<&str> {
    let (path, _) = line.strip_prefix("| `")?.split_once('`')?;
    Some(path)
}

/// The blocks and implementations without a SAFETY comment directly above.
fn uses_without_reason(source: &Source) -> Vec<Finding> {
    let code: Vec<&str> = source.code.lines().collect();
    let text: Vec<&str> = source.text.lines().collect();
    let comments: Vec<&str> = source.comments.lines().collect();
    let is_use = |line: &str| {
        line.split("unsafe").skip(1).any(|rest| {
            let rest = rest.trim_start();
            rest.starts_with('{') || rest.starts_with("impl")
        }) && has_word(line, "unsafe")
    };
    let has_reason = |index: usize| {
        let above = (0..index).rev().take(REACH).take_while(|&line| !text[line].trim().is_empty());
        std::iter::once(index).chain(above).any(|line| comments[line].contains("SAFETY:"))
    };
    let uses = (0..code.len()).filter(|&index| is_use(code[index]));
    uses.filter(|&index| !has_reason(index))
        .map(|index| {
            let text = "unsafe without a `// SAFETY:` sentence directly above".to_owned();
            Finding::line(&source.path, index, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# Unsafe\n\n| file | why |\n|---|---|\n| `a.rs` | x |\n";

    fn findings(sources: &[(&str, &str)], list: &str) -> Vec<String> {
        let sources: Vec<Source> =
            sources.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&sources, list).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn the_list_is_exact_both_ways() {
        let text = "// SAFETY: fine.\nunsafe { f() }\n";
        assert_eq!(findings(&[("a.rs", text)], LIST), [""; 0]);
        assert_eq!(
            findings(&[("b.rs", text)], LIST),
            [
                "b.rs: holds unsafe code and is not in docs/UNSAFE.md",
                "docs/UNSAFE.md: lists a.rs, which holds no unsafe code",
            ]
        );
    }

    #[test]
    fn the_lint_and_the_word_in_a_comment_are_no_use() {
        let text = "#![expect(unsafe_code)]\n// unsafe { here }\n";
        assert_eq!(findings(&[("b.rs", text)], ""), [""; 0]);
    }

    #[test]
    fn every_block_and_implementation_says_why() {
        let expected = ["a.rs:1: unsafe without a `// SAFETY:` sentence directly above"];
        assert_eq!(findings(&[("a.rs", "let x = unsafe { f() };\n")], LIST), expected);
        assert_eq!(findings(&[("a.rs", "unsafe impl Send for A {}\n")], LIST), expected);
        let apart = "// SAFETY: of another.\n\nunsafe { f() }\n";
        assert_eq!(findings(&[("a.rs", apart)], LIST).len(), 1);
        let statement = "// SAFETY: fine.\nlet x =\n    unsafe { f() };\n";
        assert_eq!(findings(&[("a.rs", statement)], LIST), [""; 0]);
    }
}
