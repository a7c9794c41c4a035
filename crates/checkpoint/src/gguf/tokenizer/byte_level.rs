//! Byte-level BPE (`gpt2`): a character for each byte, a list of merges, and expressions that cut the text before.

use super::super::error::{GgufError, KeyFault, TokenizerFault};
use super::super::metadata::Metadata;
use super::vocabulary::Vocabulary;
use super::{Built, Form, key, splitting};
use crate::tokenizer::guarded;
use std::collections::HashSet;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

/// Most merges for each token: the vocabularies in use have about two.
const MOST_MERGES: usize = 4;

/// The key of the expressions, and names that say nothing of them.
const PRE: (&str, [&str; 2]) = ("pre", ["", "default"]);

pub(super) fn build(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Built, GgufError> {
    let fault = |fault| metadata.tokenizer_fault(fault);
    let name = metadata.get::<&str>(&key(PRE.0))?.unwrap_or_default();
    if PRE.1.contains(&name) {
        return Err(fault(TokenizerFault::NoSplitting));
    }
    let unknown = || fault(TokenizerFault::Splitting(name.to_owned()));
    let splitting = splitting::named(name).ok_or_else(unknown)?;
    let merges = merges(metadata, vocabulary)?;
    let ids = vocabulary.ids.iter().map(|(text, &id)| (text.clone().into_owned(), id)).collect();
    let bytes = ByteLevel::new(false, false, false);
    let built = guarded(|| {
        let model = BPE::builder()
            .vocab_and_merges::<tokenizers::models::bpe::Vocab>(ids, merges)
            .ignore_merges(splitting.ignore_merges)
            .build()?;
        let mut steps = Vec::<PreTokenizerWrapper>::new();
        for expression in splitting.expressions {
            let pattern = SplitPattern::Regex(expression);
            steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?.into());
        }
        steps.push(bytes.into());
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
        tokenizer.with_decoder(Some(bytes));
        Ok(tokenizer)
    });
    let tokenizer = built.map_err(|said| fault(TokenizerFault::Library(said)))?;
    let adds_begin = splitting.add_begin;
    Ok(Built { tokenizer, form: Form::ByteLevel, defaults: [None, None], adds_begin })
}

/// Pairs of tokens, the first merged first. Each is known to make a token.
fn merges(
    metadata: &Metadata,
    vocabulary: &Vocabulary<'_>,
) -> Result<Vec<(String, String)>, GgufError> {
    let key = key("merges");
    let missing = || metadata.fault(&key, KeyFault::Missing);
    let listed = metadata.strings(&key)?.ok_or_else(missing)?;
    let most = MOST_MERGES * vocabulary.texts.len();
    if listed.len() > most {
        return Err(metadata.tokenizer_fault(TokenizerFault::TooManyMerges { most }));
    }
    let (mut merges, mut known) = (Vec::with_capacity(listed.len()), HashSet::new());
    let mut made = String::new();
    for (merge, index) in listed.iter().zip(0u64..) {
        let fault = |missing: &str| {
            let (merge, missing) = (merge.to_owned(), missing.to_owned());
            metadata.tokenizer_fault(TokenizerFault::Merge { index, merge, missing })
        };
        // A token may begin with a space, not hold one elsewhere.
        let space = merge.char_indices().skip(1).find(|&(_, character)| character == ' ');
        let (left, right) = space.map_or((merge, ""), |(at, _)| (&merge[..at], &merge[at + 1..]));
        made.clear();
        made.extend([left, right]);
        let unknown =
            [left, right, &made].into_iter().find(|&text| !vocabulary.ids.contains_key(text));
        if let Some(unknown) = unknown {
            return Err(fault(unknown));
        }
        // The first one counts where a pair comes twice.
        if known.insert((left, right)) {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    Ok(merges)
}

/// The bytes that a token's characters stand for; a token with other characters stands for its text.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = text.chars().map(byte).collect();
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// The byte of a character: printable ones of Latin-1 stand for themselves, those from U+0100 on for the others in
/// order, as GPT-2 has it.
fn byte(character: char) -> Option<u8> {
    let own = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(character);
    if let Ok(byte) = u8::try_from(code) {
        return own(byte).then_some(byte);
    }
    let place = usize::try_from(code.checked_sub(0x100)?).ok()?;
    (0..=u8::MAX).filter(|&byte| !own(byte)).nth(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let characters = (0..0x180).filter_map(char::from_u32);
        let bytes: Vec<u8> = characters.filter_map(byte).collect();
        let unique: HashSet<u8> = bytes.iter().copied().collect();
        assert_eq!((bytes.len(), unique.len()), (256, 256));
        assert_eq!(
            (byte('\u{120}'), byte('\u{10a}'), byte('a')),
            (Some(b' '), Some(b'\n'), Some(b'a'))
        );
        assert_eq!(super::bytes("\u{120}caf\u{c3}\u{a9}"), " caf\u{e9}".as_bytes());
        assert_eq!(super::bytes("\u{2581}x"), "\u{2581}x".as_bytes());
    }
}
