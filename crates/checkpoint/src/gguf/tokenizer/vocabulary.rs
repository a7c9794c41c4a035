//! The tokens of a vocabulary: their texts, kinds and ids, checked to fit together.

use super::super::error::{GgufError, KeyFault, TokenizerFault};
use super::super::from_value::read;
use super::super::metadata::Metadata;
use super::key;
use std::borrow::Cow;
use std::collections::HashMap;

/// Most tokens of a vocabulary: the largest in use have two thirds of it.
const MOST_TOKENS: usize = 3 << 17;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A piece of text.
    Normal,
    /// Stands for what no token can express.
    Unknown,
    /// A mark of the model, such as the end of a turn; no text of anyone.
    Control,
    /// A piece of text that is looked for before anything else.
    UserDefined,
    /// Fills the vocabulary up.
    Unused,
    /// One byte of what no token can express.
    Byte,
}

impl TokenKind {
    fn from_number(number: i64) -> Option<TokenKind> {
        Some(match number {
            0 | 1 => TokenKind::Normal,
            2 => TokenKind::Unknown,
            3 => TokenKind::Control,
            4 => TokenKind::UserDefined,
            5 => TokenKind::Unused,
            6 => TokenKind::Byte,
            _ => return None,
        })
    }
}

/// Tokens by id.
pub(super) struct Vocabulary<'a> {
    pub(super) texts: Vec<Cow<'a, str>>,
    pub(super) kinds: Vec<TokenKind>,
    pub(super) ids: HashMap<Cow<'a, str>, u32>,
}

impl<'a> Vocabulary<'a> {
    pub(super) fn read(metadata: &'a Metadata) -> Result<Vocabulary<'a>, GgufError> {
        let fault = |fault| metadata.tokenizer_fault(fault);
        let tokens = key("tokens");
        let missing = || metadata.fault(&tokens, KeyFault::Missing);
        let listed = metadata.strings(&tokens)?.ok_or_else(missing)?;
        if !(1..=MOST_TOKENS).contains(&listed.len()) {
            let (count, most) = (listed.len(), MOST_TOKENS);
            return Err(fault(TokenizerFault::Size { count, most }));
        }
        let mut texts: Vec<Cow<'a, str>> = Vec::with_capacity(listed.len());
        let mut ids = HashMap::with_capacity(listed.len());
        for (text, id) in listed.iter().zip(0u32..) {
            // An empty one matches nowhere, but has its id.
            let text = match text {
                "" => Cow::Owned(format!("[EMPTY_{id}]")),
                text => Cow::Borrowed(text),
            };
            if let Some(first) = ids.insert(text.clone(), id) {
                let (text, second) = (text.into_owned(), id);
                return Err(fault(TokenizerFault::Twice { text, first, second }));
            }
            texts.push(text);
        }
        let kinds = kinds(metadata, &texts)?;
        Ok(Vocabulary { texts, kinds, ids })
    }

    /// The token that the key `name` names; `None` where there is no such key.
    pub(super) fn id(&self, metadata: &Metadata, name: &str) -> Result<Option<u32>, GgufError> {
        let Some(id) = metadata.get::<u32>(&key(name))? else { return Ok(None) };
        if usize::try_from(id).is_ok_and(|id| id < self.texts.len()) {
            return Ok(Some(id));
        }
        let (key, tokens) = (key(name), self.texts.len());
        Err(metadata.tokenizer_fault(TokenizerFault::Id { key, id, tokens }))
    }

    /// Ids that are never to be sampled, ascending.
    pub(super) fn never(&self, metadata: &Metadata) -> Result<Vec<u32>, GgufError> {
        let tokens = self.texts.iter().zip(&self.kinds).zip(0u32..);
        let fillers =
            tokens.filter(|((text, kind), _)| **kind == TokenKind::Unused || filler(text));
        let mut never: Vec<u32> = fillers.map(|(_, id)| id).collect();
        let named = metadata.list::<i64>(&key("suppress_tokens"))?.unwrap_or_default();
        let known = |id: i64| u32::try_from(id).ok().filter(|&id| (id as usize) < self.texts.len());
        never.extend(named.into_iter().filter_map(known));
        never.sort_unstable();
        never.dedup();
        Ok(never)
    }
}

/// Whether a token only fills the vocabulary up to the size of the matrix, as converters name it.
fn filler(text: &str) -> bool {
    let number = text.strip_prefix("[PAD").and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn kinds(metadata: &Metadata, texts: &[Cow<'_, str>]) -> Result<Vec<TokenKind>, GgufError> {
    let key = key("token_type");
    let Some(array) = metadata.array(&key)? else {
        return Ok(vec![TokenKind::Normal; texts.len()]);
    };
    same_length(metadata, &key, texts.len(), array.len())?;
    let mut kinds = Vec::with_capacity(texts.len());
    for (item, text) in array.iter().zip(texts) {
        let number = read::<i64>(item).map_err(|fault| metadata.fault(&key, fault))?;
        let kind = TokenKind::from_number(number);
        let kind = kind.filter(|kind| *kind != TokenKind::Byte || byte(text).is_some());
        kinds.push(kind.ok_or_else(|| {
            let text = text.clone().into_owned();
            metadata.tokenizer_fault(TokenizerFault::Kind { text, kind: number })
        })?);
    }
    Ok(kinds)
}

/// Checks that the list of `key` has an element for each token.
pub(super) fn same_length(
    metadata: &Metadata,
    key: &str,
    expected: usize,
    got: usize,
) -> Result<(), GgufError> {
    if got == expected {
        return Ok(());
    }
    let (expected, got) = (expected as u64, got as u64);
    Err(metadata.fault(key, KeyFault::Length { expected, got }))
}

/// The byte that `<0x0A>` stands for: exactly two digits.
pub(super) fn byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let good = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}
