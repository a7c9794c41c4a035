//! The texts of tokens that steer a model, and finding them.

use std::collections::HashMap;
use std::ops::Range;

/// A set of control tokens, such as `<|im_start|>`: the special tokens of a vocabulary, not what a tokenizer merely
/// added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlTokens {
    /// By their first character, the longest first.
    by_first: HashMap<char, Vec<String>>,
}

/// A part of a prompt as a tokenizer is to treat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly one token, by its text.
    Control(String),
    /// Ordinary text.
    Text(String),
}

impl ControlTokens {
    /// A set of texts. Empty ones are left out.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut by_first: HashMap<char, Vec<String>> = HashMap::new();
        for text in texts {
            if let Some(first) = text.chars().next() {
                by_first.entry(first).or_default().push(text.into());
            }
        }
        for texts in by_first.values_mut() {
            texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            texts.dedup();
        }
        Self { by_first }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }

    /// The tokens in a text, in order: at each place the longest, and none inside of another.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            while let Some(first) = text[at..].chars().next() {
                let mut here = self.by_first.get(&first).into_iter().flatten();
                if let Some(token) = here.find(|token| text[at..].starts_with(token.as_str())) {
                    let start = at;
                    at += token.len();
                    return Some(start..at);
                }
                at += first.len_utf8();
            }
            None
        })
    }

    /// Whether a text contains one.
    #[must_use]
    pub fn occur_in(&self, text: &str) -> bool {
        self.find(text).next().is_some()
    }
}
