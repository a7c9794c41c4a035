//! Tells by its neighbours whether a literal is looked for in another text or written out.

use super::scan::Token;

/// Filters and methods whose arguments, or all after the first, are written out rather than looked for.
const WRITES_ALL: &[&str] =
    &["join", "default", "d", "format", "indent", "get", "map", "attr", "tojson"];
const WRITES_AFTER_FIRST: &[&str] = &["replace"];

/// An open bracket.
struct Bracket {
    /// Whether literals in it are operands until the first comma, and after it.
    first: bool,
    later: bool,
    commas: usize,
}

/// For each token whether it is a literal in the place of an operand.
pub(super) fn places(tokens: &[Token<'_>]) -> Vec<bool> {
    let mut open: Vec<Bracket> = Vec::new();
    let mut found = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        found.push(false);
        match token {
            Token::Sign("(") => open.push(call(tokens, at)),
            Token::Sign("[" | "{") => {
                let searched = matches!(before(tokens, at), Some(Token::Word("in")));
                open.push(Bracket { first: searched, later: searched, commas: 0 });
            }
            Token::Sign(")" | "]" | "}") => {
                open.pop();
            }
            Token::Sign(",") => {
                if let Some(bracket) = open.last_mut() {
                    bracket.commas += 1;
                }
            }
            Token::Literal { .. } => {
                let inside = open.last().is_some_and(|bracket| match bracket.commas {
                    0 => bracket.first,
                    _ => bracket.later,
                });
                found[at] = inside || compared(tokens, at);
            }
            Token::Word(_) | Token::Sign(_) => {}
        }
    }
    found
}

/// Whether a literal stands beside a comparison or the word `in`.
fn compared(tokens: &[Token<'_>], at: usize) -> bool {
    let comparison = |token: &Token<'_>| {
        matches!(token, Token::Sign("==" | "!=" | "<" | ">" | "<=" | ">=") | Token::Word("in"))
    };
    let after = tokens.get(at + 1);
    let negated = matches!(after, Some(Token::Word("not")))
        && matches!(tokens.get(at + 2), Some(Token::Word("in")));
    negated || before(tokens, at).is_some_and(comparison) || after.is_some_and(comparison)
}

/// The bracket of a call: methods, filters and tests look into texts, functions and macros do not.
fn call(tokens: &[Token<'_>], at: usize) -> Bracket {
    let none = Bracket { first: false, later: false, commas: 0 };
    let (Some(Token::Word(name)), Some(opener)) =
        (before(tokens, at), at.checked_sub(2).and_then(|at| before(tokens, at + 1)))
    else {
        return none;
    };
    let looks = matches!(opener, Token::Sign("." | "|") | Token::Word("is" | "not"));
    if !looks || WRITES_ALL.contains(name) {
        return none;
    }
    Bracket { first: true, later: !WRITES_AFTER_FIRST.contains(name), commas: 0 }
}

fn before<'a, 'b>(tokens: &'a [Token<'b>], at: usize) -> Option<&'a Token<'b>> {
    at.checked_sub(1).and_then(|at| tokens.get(at))
}
