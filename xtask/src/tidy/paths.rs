//! The paths that a file names within its own crate: by `use`, or in the middle of code.

/// A path, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The line, counted from 0.
    pub(super) line: usize,
    /// Its names; of a `use` of everything those before the star.
    pub(super) names: Vec<String>,
    /// What a `use` calls it here; `None` for a path in code, and for a star.
    pub(super) alias: Option<String>,
}

/// The paths of `use` declarations, and those in code that start at the crate, here, or above. `code` must be free of
/// comments and literals.
pub(super) fn paths(code: &str) -> Vec<Named> {
    let mut reader = Reader { tokens: tokens(code), at: 0, found: Vec::new() };
    while let Some(token) = reader.peek(0) {
        let before = reader.at.checked_sub(1).map(|index| reader.tokens[index].text);
        let starts = ["crate", "self", "super"].contains(&token) && before != Some("::");
        if token == "use" && reader.peek(1) != Some("<") {
            reader.at += 1;
            reader.tree(&[]);
        } else if starts && reader.peek(1) == Some("::") {
            reader.path();
        } else {
            reader.at += 1;
        }
    }
    // Imports for tests alone bind no code.
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let for_tests = |line: usize| line > 0 && lines[line - 1] == "#[cfg(test)]";
    reader.found.retain(|named| !for_tests(named.line));
    reader.found
}

/// A word, `::`, or another character.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let of_word = |char: char| char.is_alphanumeric() || char == '_';
    let mut tokens = Vec::new();
    for (line, mut rest) in code.lines().enumerate() {
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            let length = if of_word(first) {
                rest.find(|char| !of_word(char)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { line, text });
            rest = after;
        }
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead).map(|token| token.text)
    }

    /// Whether this token comes next; it is passed then.
    fn takes(&mut self, text: &str) -> bool {
        let takes = self.peek(0) == Some(text);
        self.at += usize::from(takes);
        takes
    }

    /// One branch of a `use` declaration, below `above`.
    fn tree(&mut self, above: &[String]) {
        let mut names = above.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        // What starts with `::` is another crate.
        let outside = above.is_empty() && self.takes("::");
        loop {
            if self.takes("{") {
                while self.at < self.tokens.len() && !self.takes("}") {
                    self.tree(&names);
                    self.takes(",");
                }
                return;
            }
            if self.takes("*") {
                return self.add(outside, Named { line, names, alias: None });
            }
            let Some(name) = self.peek(0).filter(|name| *name != ";").map(str::to_owned) else {
                return;
            };
            self.at += 1;
            // `use a::b::{self}` names b.
            if name != "self" || names.is_empty() {
                names.push(name);
            }
            if !self.takes("::") {
                break;
            }
        }
        let mut alias = names.last().cloned();
        if self.takes("as") {
            alias = self.peek(0).map(str::to_owned);
            self.at += 1;
        }
        self.add(outside, Named { line, names, alias });
    }

    fn add(&mut self, outside: bool, named: Named) {
        if !outside {
            self.found.push(named);
        }
    }

    /// A path in code.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut names = Vec::new();
        while let Some(name) = self.peek(0) {
            if !name.starts_with(|char: char| char.is_alphabetic() || char == '_') {
                break;
            }
            names.push(name.to_owned());
            self.at += 1;
            if !self.takes("::") {
                break;
            }
        }
        self.found.push(Named { line, names, alias: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Vec<String> {
        let shown = |named: Named| {
            let alias = named.alias.map_or_else(String::new, |alias| format!(" as {alias}"));
            format!("{}: {}{alias}", named.line, named.names.join("::"))
        };
        paths(code).into_iter().map(shown).collect()
    }

    #[test]
    fn a_use_is_every_path_of_its_tree() {
        assert_eq!(
            found("use crate::{\n    a::{self, B as C},\n    d::*,\n};\npub(crate) use e::F;\n"),
            ["1: crate::a as a", "1: crate::a::B as C", "2: crate::d", "4: e::F as F"]
        );
    }

    #[test]
    fn a_path_in_code_is_named_like_an_import() {
        let code = "fn f(x: &super::a::B<crate::c::D>) {\n    self.x(self::e::<F>(), g::h())\n}\n";
        assert_eq!(found(code), ["0: super::a::B", "0: crate::c::D", "1: self::e"]);
    }

    #[test]
    fn other_crates_and_tests_are_left_alone() {
        assert_eq!(found("use ::a::b;\n#[cfg(test)]\nuse super::c;\n"), [""; 0]);
        assert_eq!(found("fn f() -> impl Fn() + use<'a> {}\n"), [""; 0]);
    }
}
