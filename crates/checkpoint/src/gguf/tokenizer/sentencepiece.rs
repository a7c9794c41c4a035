//! SentencePiece BPE (`llama`): neighbours are merged that make the token of the highest score; bytes for the rest.
//!
//! Written as a list of merges, the same happens when merges come in the order of the scores of what they make.

use super::super::error::{GgufError, KeyFault, TokenizerFault};
use super::super::metadata::Metadata;
use super::super::value::Item;
use super::vocabulary::{TokenKind, Vocabulary, same_length};
use super::{Built, Form, key};
use crate::tokenizer::guarded;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Prepend, Replace, Sequence};
use tokenizers::{DecoderWrapper, NormalizerWrapper, Tokenizer};

/// Longest token that is made by merging, in bytes: each of its splits is looked for.
const LONGEST_MERGED: usize = 256;

/// Most merges for each token: the vocabularies in use have about two.
const MOST_MERGES: usize = 4;

/// What stands for a space inside tokens.
const SPACE: &str = "\u{2581}";

/// Begin and end of text, and what cannot be expressed, where a file does not say.
const DEFAULTS: [u32; 3] = [1, 2, 0];

pub(super) fn build(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Built, GgufError> {
    let fault = |fault| metadata.tokenizer_fault(fault);
    // Rules that rewrite the text. Files of this kind have none, or empty ones.
    let rewrites = metadata.array(&key("precompiled_charsmap"))?;
    if rewrites.is_some_and(|rules| !rules.is_empty()) {
        return Err(fault(TokenizerFault::Setting(key("precompiled_charsmap"))));
    }
    let flag = |name: &str, default| -> Result<bool, GgufError> {
        Ok(metadata.get(&key(name))?.unwrap_or(default))
    };
    let (adds_space, drops) =
        (flag("add_space_prefix", true)?, flag("remove_extra_whitespaces", false)?);
    let known = |id: u32| Some(id).filter(|&id| (id as usize) < vocabulary.texts.len());
    let unknown = vocabulary.id(metadata, "unknown_token_id")?.or(known(DEFAULTS[2]));
    let unknown = unknown.and_then(|id| vocabulary.texts.get(id as usize));
    let merges = merges(metadata, vocabulary)?;
    let ids = vocabulary.ids.iter().map(|(text, &id)| (text.clone().into_owned(), id)).collect();
    let built = guarded(|| {
        let mut model = BPE::builder()
            .vocab_and_merges::<tokenizers::models::bpe::Vocab>(ids, merges)
            .byte_fallback(true);
        if let Some(unknown) = unknown {
            model = model.unk_token(unknown.clone().into_owned());
        }
        let mut tokenizer = Tokenizer::new(model.build()?);
        tokenizer.with_normalizer(Some(Sequence::new(normalizers(adds_space, drops)?)))?;
        tokenizer.with_decoder(Some(Decoders::new(decoders(adds_space)?)));
        Ok(tokenizer)
    });
    let tokenizer = built.map_err(|said| fault(TokenizerFault::Library(said)))?;
    let defaults = [known(DEFAULTS[0]), known(DEFAULTS[1])];
    Ok(Built { tokenizer, form: Form::SentencePiece, defaults, adds_begin: true })
}

fn normalizers(adds_space: bool, drops: bool) -> tokenizers::Result<Vec<NormalizerWrapper>> {
    let mut steps = Vec::new();
    if drops {
        // At both ends, then between words.
        for (found, instead) in [("^ +", ""), (" +$", ""), (" {2,}", " ")] {
            steps.push(Replace::new(ReplacePattern::Regex(found.to_owned()), instead)?.into());
        }
    }
    if adds_space {
        steps.push(Prepend::new(SPACE.to_owned()).into());
    }
    steps.push(Replace::new(" ", SPACE)?.into());
    Ok(steps)
}

fn decoders(adds_space: bool) -> tokenizers::Result<Vec<DecoderWrapper>> {
    let mut steps: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE, " ")?.into(),
        ByteFallback::default().into(),
        Fuse::default().into(),
    ];
    if adds_space {
        steps.push(Strip::new(' ', 1, 0).into());
    }
    Ok(steps)
}

/// Whether the tokenizer puts a space in front of a text.
pub(super) fn adds_space(tokenizer: &Tokenizer) -> bool {
    match tokenizer.get_normalizer() {
        Some(NormalizerWrapper::Sequence(steps)) => {
            steps.as_ref().iter().any(|step| matches!(step, NormalizerWrapper::Prepend(_)))
        }
        _ => false,
    }
}

/// The text of a token, spaces as spaces.
pub(super) fn text(token: &str) -> String {
    token.replace(SPACE, " ")
}

/// Every pair of tokens that makes a token, the one of the highest score first.
fn merges(
    metadata: &Metadata,
    vocabulary: &Vocabulary<'_>,
) -> Result<Vec<(String, String)>, GgufError> {
    let key = key("scores");
    let missing = || metadata.fault(&key, KeyFault::Missing);
    let scores = metadata.array(&key)?.ok_or_else(missing)?;
    same_length(metadata, &key, vocabulary.texts.len(), scores.len())?;
    let most = MOST_MERGES * vocabulary.texts.len();
    let mut scored: Vec<(f64, (&str, &str))> = Vec::new();
    let tokens = vocabulary.texts.iter().zip(&vocabulary.kinds).zip(scores.iter());
    for ((text, kind), score) in tokens {
        let Item::Float(score) = score else {
            let found = format!("array of {}", scores.kind().name());
            return Err(
                metadata.fault(&key, KeyFault::WrongType { expected: "array of f32", found })
            );
        };
        // Typed text never becomes a mark of the model.
        let merged = matches!(kind, TokenKind::Normal | TokenKind::UserDefined | TokenKind::Unused);
        if !merged || text.len() > LONGEST_MERGED {
            continue;
        }
        let splits = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        let mut known: Vec<(u32, u32, (&str, &str))> = splits
            .filter_map(|(left, right)| {
                Some((*vocabulary.ids.get(left)?, *vocabulary.ids.get(right)?, (left, right)))
            })
            .collect();
        known.sort_unstable_by_key(|&(left, right, _)| (left, right));
        if scored.len() + known.len() > most {
            return Err(metadata.tokenizer_fault(TokenizerFault::TooManyMerges { most }));
        }
        scored.extend(known.into_iter().map(|(_, _, pair)| (score, pair)));
    }
    // A stable sort: among equal scores the earlier token goes first.
    scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    let owned = |(left, right): (&str, &str)| (left.to_owned(), right.to_owned());
    Ok(scored.into_iter().map(|(_, pair)| owned(pair)).collect())
}
