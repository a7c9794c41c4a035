//! Every file says what it is for, has a name that does, and leaves nothing for later.

use super::Finding;
use super::code::has_word;
use super::source::Source;

/// Names that say nothing, and what to do instead.
const NAMES: &[(&str, &str)] = &[
    ("utils", "name it for what it holds"),
    ("util", "name it for what it holds"),
    ("common", "name it for what it holds"),
    ("helpers", "name it for what it holds"),
    ("prelude", "name what you import"),
    ("mod", "write x.rs beside x/"),
];

/// Marks of unfinished work in comments.
const MARKS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Phrases that a reader has to guess at, and what to write instead.
const RIDDLES: &[(&str, &str)] = &[
    ("that is none", "say what it is not"),
    ("that are none", "say what they are not"),
    ("so many", "name the number"),
    ("what is there", "say resident, stored or found"),
    ("in words for the user", "as a message"),
    ("of true size", "full-size"),
];

/// Macros of unfinished work.
const MACROS: &[&str] = &["todo!", "unimplemented!"];

/// Finds files without a role sentence, with an empty name, or unfinished.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if !source.text.starts_with("//! ") {
            let text = "does not open with a `//!` sentence of its role".to_owned();
            findings.push(Finding::line(&source.path, 0, text));
        }
        findings.extend(empty_name(source));
        findings.extend(unfinished(source));
        findings.extend(riddles(source));
    }
    findings
}

/// A directory of such a name counts like a file.
fn empty_name(source: &Source) -> Option<Finding> {
    let path = source.path.trim_end_matches(".rs");
    let (name, instead) =
        NAMES.iter().find(|(name, _)| path.split('/').any(|part| part == *name))?;
    Some(Finding::file(&source.path, format!("`{name}` says nothing: {instead}")))
}

fn unfinished(source: &Source) -> impl Iterator<Item = Finding> {
    let lines = source.comments.lines().zip(source.code.lines()).enumerate();
    lines.filter_map(|(index, (comment, code))| {
        let mark = MARKS.iter().find(|mark| has_word(comment, mark));
        let mark = mark.or_else(|| MACROS.iter().find(|name| has_word(code, name)))?;
        Some(Finding::line(&source.path, index, format!("{mark}: do it, or open an issue")))
    })
}

fn riddles(source: &Source) -> impl Iterator<Item = Finding> {
    source.comments.lines().enumerate().filter_map(|(index, comment)| {
        let lower = comment.to_lowercase();
        let (phrase, instead) = RIDDLES.iter().find(|(phrase, _)| lower.contains(phrase))?;
        Some(Finding::line(&source.path, index, format!("\"{phrase}\" is a riddle: {instead}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[Source::new(path, text)]).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_file_opens_with_its_role() {
        assert_eq!(findings("a.rs", "//! Holds a.\nfn a() {}\n"), [""; 0]);
        let expected = ["a.rs:1: does not open with a `//!` sentence of its role"];
        assert_eq!(findings("a.rs", "fn a() {}\n"), expected);
        assert_eq!(findings("a.rs", "// Holds a.\n"), expected);
    }

    #[test]
    fn names_say_something() {
        for path in ["src/utils.rs", "tests/common.rs", "a/prelude.rs", "a/mod.rs", "common/b.rs"] {
            assert_eq!(findings(path, "//! A.\n").len(), 1, "{path}");
        }
        assert_eq!(findings("src/model.rs", "//! A.\n"), [""; 0]);
    }

    #[test]
    fn comments_set_no_riddles() {
        let expected = ["a.rs:2: \"so many\" is a riddle: name the number"];
        assert_eq!(findings("a.rs", "//! A.\n// Gaps of so many bytes.\nfn f() {}\n"), expected);
        assert_eq!(findings("a.rs", "//! A file that is none.\n").len(), 1);
        assert_eq!(
            findings("a.rs", "//! A.\n// As there is none.\nlet a = \"so many\";\n"),
            [""; 0]
        );
    }

    #[test]
    fn nothing_is_left_for_later() {
        let expected = ["a.rs:2: FIXME: do it, or open an issue"];
        assert_eq!(findings("a.rs", "//! A.\nf(); // FIXME later\n"), expected);
        assert_eq!(findings("a.rs", "//! A.\nfn f() { todo!() }\n").len(), 1);
        assert_eq!(findings("a.rs", "//! A.\nlet mark = \"TODO\";\n"), [""; 0]);
    }
}
