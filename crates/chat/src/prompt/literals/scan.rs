//! Cuts a template into expressions and those into tokens, as far as finding literals needs.

use std::ops::Range;

/// A token of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A string literal: where it stands and its value.
    Literal {
        /// With the quotes.
        range: Range<usize>,
        /// Escapes resolved.
        value: String,
    },
    /// A name, a keyword or a number.
    Word(&'a str),
    /// An operator or a bracket.
    Sign(&'a str),
}

/// The insides of all `{{ }}` and `{% %}`, but not what stands in `{% raw %}`.
pub(super) fn expressions(template: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = template[at..].find('{').map(|offset| at + offset) {
        let start = open + 2;
        let close = match template.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                at = template[start..].find("#}").map_or(template.len(), |end| start + end + 2);
                continue;
            }
            _ => {
                at = open + 1;
                continue;
            }
        };
        let end = end_of(template, start, close);
        let inside = template[start..end]
            .trim_matches(|char: char| "-+".contains(char) || char.is_whitespace());
        at = (end + 2).min(template.len());
        if close == "%}" && inside == "raw" {
            let rest = &template[at..];
            at = rest.find("endraw").map_or(template.len(), |offset| at + offset);
            continue;
        }
        found.push(start..end);
    }
    found
}

/// Where `close` stands outside of string literals, or the end of the template.
fn end_of(template: &str, start: usize, close: &str) -> usize {
    let bytes = template.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => at = end_of_literal(bytes, at, quote),
            _ if bytes[at..].starts_with(close.as_bytes()) => return at,
            _ => at += 1,
        }
    }
    template.len()
}

/// The place after the closing quote of the literal that opens at `open`.
fn end_of_literal(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The tokens of an expression.
pub(super) fn tokens(template: &str, expression: Range<usize>) -> Vec<Token<'_>> {
    let text = &template[..expression.end];
    let mut found = Vec::new();
    let mut at = expression.start;
    while let Some(char) = text[at..].chars().next() {
        let end = match char {
            '\'' | '"' => {
                let end = end_of_literal(text.as_bytes(), at, text.as_bytes()[at]);
                let inner = text.get(at + 1..end - 1).unwrap_or_default();
                found.push(Token::Literal { range: at..end, value: unescape(inner) });
                end
            }
            char if char.is_alphanumeric() || char == '_' => {
                let word = |char: char| char.is_alphanumeric() || char == '_';
                let length = text[at..].find(|char| !word(char)).unwrap_or(text.len() - at);
                found.push(Token::Word(&text[at..at + length]));
                at + length
            }
            char if char.is_whitespace() => at + char.len_utf8(),
            char => {
                let two = text.get(at..at + 2);
                let two = two.filter(|two| ["==", "!=", "<=", ">="].contains(two));
                let sign = two.unwrap_or(&text[at..at + char.len_utf8()]);
                found.push(Token::Sign(sign));
                at + sign.len()
            }
        };
        at = end;
    }
    found
}

/// Resolves the escapes that templates use; an escape that is not known stays as it is, and its literal with it
/// finds nothing.
fn unescape(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    let mut rest = literal.chars();
    while let Some(char) = rest.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(same @ ('\\' | '"' | '\'' | '/')) => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}
