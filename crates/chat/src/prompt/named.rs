//! The coarse way of splitting a prompt, for templates in which texts cannot be traced.

use super::{ControlTokens, Guard, Rendered, Visit};

impl Rendered {
    /// Takes for the template's own only control tokens of which the request holds not even half.
    pub(crate) fn by_name(
        text: &str,
        control: &ControlTokens,
        visit_all: impl Fn(&mut Visit<'_>),
    ) -> Self {
        let mut strings = Vec::new();
        visit_all(&mut |text, _| {
            strings.push(text.to_lowercase());
            text.to_owned()
        });
        let mut pieces = Vec::new();
        let mut done = 0;
        for range in control.find(text) {
            let token = &text[range.clone()];
            if !strings.iter().any(|string| holds_half(string, token)) {
                pieces.push((text[done..range.start].to_owned(), true));
                pieces.push((token.to_owned(), false));
                done = range.end;
            }
        }
        pieces.push((text[done..].to_owned(), true));
        Self::new(pieces, Guard::ByName)
    }
}

/// Whether a text in lower case holds half of the characters of a token in one run.
fn holds_half(string: &str, token: &str) -> bool {
    let token: Vec<char> = token.to_lowercase().chars().collect();
    let half = token.len().div_ceil(2).max(1);
    token.windows(half).any(|run| string.contains(&run.iter().collect::<String>()))
}
