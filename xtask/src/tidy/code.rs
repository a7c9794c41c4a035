//! Tells code from comments and from the insides of literals, character by character.

/// The two halves of a source text. Both have its lines and columns; what belongs to the other half, and
/// the inside of every literal, is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) code: String,
    pub(super) comments: String,
}

/// Splits a source text.
pub(super) fn split(text: &str) -> Halves {
    let mut splitter = Splitter {
        chars: text.chars().collect(),
        at: 0,
        halves: Halves { code: String::new(), comments: String::new() },
    };
    while splitter.at < splitter.chars.len() {
        splitter.token();
    }
    splitter.halves
}

struct Splitter {
    chars: Vec<char>,
    at: usize,
    halves: Halves,
}

/// Where a character goes.
#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Splitter {
    fn token(&mut self) {
        if self.sees("//") {
            while self.peek(0).is_some_and(|char| char != '\n') {
                self.take(1, Kind::Comment);
            }
        } else if self.sees("/*") {
            self.block_comment();
        } else if let Some(hashes) = self.raw_string() {
            self.literal(2 + hashes, &format!("\"{}", "#".repeat(hashes)), false);
        } else if self.sees("\"") {
            self.literal(1, "\"", true);
        } else if self.sees("'") && (self.peek(1) == Some('\\') || self.peek(2) == Some('\'')) {
            self.literal(1, "'", true);
        } else {
            self.take(1, Kind::Code);
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            let opens = self.sees("/*");
            let closes = self.sees("*/");
            depth += usize::from(opens);
            depth -= usize::from(closes);
            self.take(if opens || closes { 2 } else { 1 }, Kind::Comment);
            if depth == 0 {
                return;
            }
        }
    }

    /// How many hashes the raw string that starts here has.
    fn raw_string(&self) -> Option<usize> {
        let inside_a_word = |char: char| char.is_alphanumeric() && char != 'b' || char == '_';
        let before = self.at.checked_sub(1).map(|index| self.chars[index]);
        if !self.sees("r") || before.is_some_and(inside_a_word) {
            return None;
        }
        let hashes = (1..).take_while(|&ahead| self.peek(ahead) == Some('#')).count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    /// Takes a literal: `opening` characters, then everything up to `closing`.
    fn literal(&mut self, opening: usize, closing: &str, escapes: bool) {
        self.take(opening, Kind::Code);
        while self.at < self.chars.len() && !self.sees(closing) {
            let escaped = escapes && self.sees("\\");
            self.take(1 + usize::from(escaped), Kind::Literal);
        }
        self.take(closing.len(), Kind::Code);
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, char)| self.peek(ahead) == Some(char))
    }

    fn take(&mut self, count: usize, kind: Kind) {
        for _ in 0..count {
            let Some(char) = self.peek(0) else { return };
            let blank = if char == '\n' { '\n' } else { ' ' };
            let (code, comment) = match kind {
                Kind::Code => (char, blank),
                Kind::Comment => (blank, char),
                Kind::Literal => (blank, blank),
            };
            self.halves.code.push(code);
            self.halves.comments.push(comment);
            self.at += 1;
        }
    }
}

/// Whether `word` stands in `line`, with no letter, digit or underscore beside it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(part_of_word)
            && !line[start + word.len()..].starts_with(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        split(text).code
    }

    #[test]
    fn comments_are_not_code() {
        let blank = " ".repeat("/* d /* e */ f */".len());
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), format!("a     \nc {blank} g"));
        assert_eq!(split("a // b\nc").comments, "  // b\n ");
    }

    #[test]
    fn the_inside_of_a_literal_is_nothing() {
        assert_eq!(code(r#"f("// \" x", 'y', '\'', b"z")"#), r#"f("       ", ' ', '  ', b" ")"#);
        assert_eq!(code("r#\"a\"b\"# c"), "r#\"   \"# c");
        assert_eq!(code("br\"\\\" c"), "br\" \" c");
        assert_eq!(split("\"// x\"").comments.trim(), "");
    }

    #[test]
    fn a_lifetime_opens_no_literal() {
        assert_eq!(code("fn f<'a>(x: &'a str) {} // y"), "fn f<'a>(x: &'a str) {}     ");
    }

    #[test]
    fn a_word_stands_alone() {
        assert!(has_word("(unsafe {", "unsafe"));
        assert!(!has_word("expect(unsafe_code)", "unsafe"));
    }
}
