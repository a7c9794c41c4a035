//! `tokenizer.model`: a SentencePiece BPE model, with bytes for what is in no piece, as Llama 2 has it.
//!
//! SentencePiece merges the neighbours that make the piece of the highest score. Written as a list of merges,
//! the same happens when merges come in the order of the scores of what they make.

use super::protobuf::{Field, Fields, Malformed};
use super::settings::{AddedToken, Settings};
use super::{MOST_PIECES, Parts};
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) const MODEL: &str = "tokenizer.model";

/// Longest piece that is made by merging, in bytes: each of its splits is looked for.
const LONGEST_MERGED: usize = 256;

/// Most merges for each piece: published vocabularies have about two, but all parts of one long text, as pieces,
/// would have hundreds.
const MOST_MERGES: usize = 4;

/// What stands for a space inside pieces.
const SPACE: &str = "\u{2581}";

/// Kinds of pieces, as the format numbers them.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Kinds of models, as the format numbers them.
const KINDS: [&str; 5] = ["none", "unigram", "bpe", "word", "char"];
const UNIGRAM: u64 = 1;
const BPE: u64 = 2;

/// One piece.
struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: u64,
}

/// The settings of a model that change what it does.
struct Traits {
    kind: u64,
    byte_fallback: bool,
    space_behind: bool,
    rewrites: bool,
    space_in_front: bool,
    drops_spaces: bool,
    escapes_spaces: bool,
}

pub(super) fn parts(model: &[u8], settings: &Settings) -> Result<Parts, String> {
    let (pieces, traits) =
        read(model).map_err(|Malformed| "is not a SentencePiece model".to_owned())?;
    traits.check()?;
    if pieces.len() > MOST_PIECES {
        return Err(format!("has more than {MOST_PIECES} pieces"));
    }
    let mut ids = HashMap::new();
    for (piece, id) in pieces.iter().zip(0..) {
        if ids.insert(piece.text.to_owned(), id).is_some() {
            return Err(format!("has the piece '{}' twice", piece.text));
        }
    }
    let merges = merges(&pieces, &ids)?;
    let unknown = pieces.iter().find(|piece| piece.kind == UNKNOWN).map(|piece| piece.text);
    let to_mark = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
    let from_mark = json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " });
    let (mut normalizers, mut decoders) = (Vec::new(), vec![from_mark]);
    decoders.extend([json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })]);
    let in_front = settings.prefix_space.unwrap_or(traits.space_in_front);
    let first_alone = in_front && settings.legacy == Some(false);
    if in_front {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    if in_front && !first_alone {
        normalizers.push(json!({ "type": "Prepend", "prepend": SPACE }));
    }
    normalizers.push(to_mark);
    let normalizer = json!({ "type": "Sequence", "normalizers": normalizers });
    // In front of the first text alone, not of what follows a special token.
    let splitting = json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first",
        "split": false });
    Ok(Parts {
        normalizer: if first_alone { Value::Null } else { normalizer },
        pre_tokenizer: if first_alone { splitting } else { Value::Null },
        decoder: json!({ "type": "Sequence", "decoders": decoders }),
        model: json!({ "type": "BPE", "unk_token": unknown, "fuse_unk": true,
            "byte_fallback": traits.byte_fallback, "vocab": ids, "merges": merges }),
        marked: marked(&pieces),
        ids,
    })
}

/// Pieces that are found in a text as they are: control pieces, which have no text, and user-defined ones.
fn marked(pieces: &[Piece<'_>]) -> Vec<AddedToken> {
    let marked = pieces.iter().zip(0..).filter_map(|(piece, id)| {
        let special = match piece.kind {
            UNKNOWN | CONTROL => true,
            USER_DEFINED => false,
            _ => return None,
        };
        let (content, lstrip, rstrip) = (piece.text.to_owned(), false, false);
        Some(AddedToken { id, content, special, lstrip, rstrip })
    });
    marked.collect()
}

impl Traits {
    /// Refuses what the list of merges cannot express.
    fn check(&self) -> Result<(), String> {
        let refused = [
            (self.kind != BPE, KINDS.get(self.kind as usize).copied().unwrap_or("unknown")),
            (self.space_behind, "treat_whitespace_as_suffix"),
            (self.rewrites, "normalization"),
            (self.drops_spaces, "remove_extra_whitespaces"),
            (!self.escapes_spaces, "unescaped whitespace"),
        ];
        match refused.iter().find(|(refused, _)| *refused) {
            Some((_, what)) => {
                Err(format!("is a model with {what}, which needs a tokenizer.json beside it"))
            }
            None => Ok(()),
        }
    }
}

/// Reads a `ModelProto`.
fn read(model: &[u8]) -> Result<(Vec<Piece<'_>>, Traits), Malformed> {
    let mut pieces = Vec::new();
    // What the format says of settings that are not there.
    let mut traits = Traits {
        kind: UNIGRAM,
        byte_fallback: false,
        space_behind: false,
        rewrites: false,
        space_in_front: true,
        drops_spaces: true,
        escapes_spaces: true,
    };
    for field in Fields::of(model) {
        match field? {
            // One too many is enough to refuse them.
            (1, Field::Bytes(_)) if pieces.len() > MOST_PIECES => break,
            (1, Field::Bytes(message)) => pieces.push(piece(message)?),
            (2, Field::Bytes(message)) => traits.read_trainer(message)?,
            (3, Field::Bytes(message)) => traits.read_normalizer(message)?,
            _ => {}
        }
    }
    if pieces.is_empty() { Err(Malformed) } else { Ok((pieces, traits)) }
}

/// Reads a `SentencePiece`.
fn piece(message: &[u8]) -> Result<Piece<'_>, Malformed> {
    let mut piece = Piece { text: "", score: 0.0, kind: NORMAL };
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(text)) => {
                piece.text = std::str::from_utf8(text).map_err(|_| Malformed)?;
            }
            (2, Field::Fixed(bits)) => piece.score = f32::from_bits(bits),
            (3, Field::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    Ok(piece)
}

impl Traits {
    /// Reads a `TrainerSpec`.
    fn read_trainer(&mut self, message: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(message) {
            match field? {
                (3, Field::Number(kind)) => self.kind = kind,
                (24, Field::Number(flag)) => self.space_behind = flag != 0,
                (35, Field::Number(flag)) => self.byte_fallback = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a `NormalizerSpec`.
    fn read_normalizer(&mut self, message: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(message) {
            match field? {
                (2, Field::Bytes(rules)) => self.rewrites = !rules.is_empty(),
                (3, Field::Number(flag)) => self.space_in_front = flag != 0,
                (4, Field::Number(flag)) => self.drops_spaces = flag != 0,
                (5, Field::Number(flag)) => self.escapes_spaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Every pair of pieces that makes a piece, the one of the highest score first.
fn merges<'a>(
    pieces: &[Piece<'a>],
    ids: &HashMap<String, u32>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut scored = Vec::new();
    for piece in pieces {
        if piece.kind != NORMAL || piece.text.len() > LONGEST_MERGED {
            continue;
        }
        let splits = piece.text.char_indices().skip(1).map(|(at, _)| piece.text.split_at(at));
        let mut known: Vec<(u32, u32, (&str, &str))> = splits
            .filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, (left, right))))
            .collect();
        known.sort_unstable_by_key(|&(left, right, _)| (left, right));
        if scored.len() + known.len() > MOST_MERGES * pieces.len() {
            return Err(format!("has more than {MOST_MERGES} merges for each piece"));
        }
        scored.extend(known.into_iter().map(|(_, _, pair)| (piece.score, pair)));
    }
    // A stable sort: among equal scores the earlier piece goes first.
    scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    Ok(scored.into_iter().map(|(_, pair)| pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn changed_bytes_never_panic() {
        let whole = fs::read(flint_fixtures::tokenizer("llama").join(MODEL)).unwrap();
        assert!(parts(&whole, &Settings::default()).is_ok());
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= if at % 2 == 0 { 0xff } else { 1 };
            // Either is fine; what counts is that it returns.
            let _ = parts(&changed, &Settings::default());
        }
    }

    #[test]
    fn what_scores_highest_is_merged_first_and_only_known_pieces_are() {
        let piece = |text, score| Piece { text, score, kind: NORMAL };
        let pieces = [
            piece("a", -9.0),
            piece("b", -9.0),
            piece("ab", -2.0),
            piece("abb", -3.0),
            piece("ba", -1.0),
        ];
        let ids = pieces.iter().zip(0..).map(|(piece, id)| (piece.text.to_owned(), id)).collect();
        assert_eq!(merges(&pieces, &ids).unwrap(), [("b", "a"), ("a", "b"), ("ab", "b")]);
    }
}
