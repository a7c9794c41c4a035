//! The tokenizer of a model, built from its metadata: text to tokens, tokens to bytes, and the habits that go with it.
//!
//! Two kinds of vocabulary are built: byte-level BPE (`gpt2`) with a list of merges, and SentencePiece BPE (`llama`) with
//! scores. Others are refused by name. Attacks that end here, each with a test in `tests/it/tokenizers/`: lists of
//! other lengths than the vocabulary, tokens that come twice, merges of or into what is not a token, merges without
//! end, ids past the vocabulary, malformed tokens of bytes, typed text that looks like a control token.

mod byte_level;
mod ends;
mod plain;
mod sentencepiece;
mod splitting;
mod vocabulary;

pub use plain::PlainText;
pub use vocabulary::TokenKind;

use super::error::{GgufError, TokenizerFault};
use super::metadata::Metadata;
use crate::tokenizer::guarded;
use serde_json::json;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};
use vocabulary::Vocabulary;

/// What typed special tokens are to a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// Tokens, as in a prompt that is raw text, or in what a chat template made.
    Recognised,
    /// Text like any other, as in what a user of a chat typed. User-defined tokens are tokens all the same.
    Plain,
}

/// A tokenizer with its habits.
#[derive(Debug, Clone)]
pub struct GgufTokenizer {
    tokenizer: Tokenizer,
    plain: PlainText,
    kinds: Vec<TokenKind>,
    form: Form,
    begin: Option<u32>,
    end: Option<u32>,
    adds_begin: bool,
    adds_end: bool,
    ends: Vec<u32>,
    never: Vec<u32>,
}

/// How the texts of tokens stand for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One character for each byte.
    ByteLevel,
    /// Text, with a mark for spaces.
    SentencePiece,
}

/// What the two kinds of vocabulary build each in its own way.
struct Built {
    tokenizer: Tokenizer,
    form: Form,
    /// Tokens by default: begin of text, end of text.
    defaults: [Option<u32>; 2],
    adds_begin: bool,
}

impl GgufTokenizer {
    /// Builds the tokenizer that `metadata` describes.
    ///
    /// # Errors
    /// When there is none, it is of a kind that is not built, or its lists do not fit together.
    pub fn new(metadata: &Metadata) -> Result<GgufTokenizer, GgufError> {
        let model = metadata.get::<&str>(&key("model"))?.unwrap_or("none");
        let fault = |fault| metadata.tokenizer_fault(fault);
        let Some(form) = form(model) else {
            return Err(fault(match model {
                "none" => TokenizerFault::None,
                other => TokenizerFault::Model(other.to_owned()),
            }));
        };
        let mut vocabulary = Vocabulary::read(metadata)?;
        let ends = ends::find(metadata, &mut vocabulary)?;
        let built = match form {
            Form::ByteLevel => byte_level::build(metadata, &vocabulary)?,
            Form::SentencePiece => sentencepiece::build(metadata, &vocabulary)?,
        };
        let Built { mut tokenizer, form, defaults, adds_begin } = built;
        let id = |name: &str| vocabulary.id(metadata, name);
        let begin = id("bos_token_id")?.or(defaults[0]);
        let end = id("eos_token_id")?.or(defaults[1]);
        let adds_begin = habit(metadata, "add_bos_token", begin, adds_begin)?;
        let adds_end = habit(metadata, "add_eos_token", end, false)?;
        let added = added(metadata, &vocabulary)?;
        let template = template(&vocabulary, [(adds_begin, begin), (adds_end, end)]);
        guarded(|| {
            tokenizer.add_tokens(added)?;
            let template =
                template.map(serde_json::from_value::<TemplateProcessing>).transpose()?;
            tokenizer.with_post_processor(template);
            Ok(())
        })
        .map_err(|said| fault(TokenizerFault::Library(said)))?;
        let plain = PlainText::of(&tokenizer);
        let mut ends: Vec<u32> = ends.into_iter().chain(end).collect();
        ends.sort_unstable();
        ends.dedup();
        let never = vocabulary.never(metadata)?;
        let kinds = vocabulary.kinds;
        let built = GgufTokenizer {
            tokenizer,
            plain,
            kinds,
            form,
            begin,
            end,
            adds_begin,
            adds_end,
            ends,
            never,
        };
        Ok(built)
    }

    /// The tokens of `text`; `whole` texts get the begin-of-text and end-of-text tokens that the model expects.
    ///
    /// # Errors
    /// When the library fails on the text.
    pub fn encode(&self, text: &str, whole: bool, specials: Specials) -> Result<Vec<u32>, String> {
        match specials {
            Specials::Plain => self.plain.encode(&self.tokenizer, text, whole),
            Specials::Recognised => {
                let encoded = guarded(|| self.tokenizer.encode_fast(text, whole))?;
                Ok(encoded.get_ids().to_vec())
            }
        }
    }

    /// The bytes that a token stands for; `None` for an id past the vocabulary. A control token stands for its name.
    ///
    /// A text is the bytes of its tokens one after the other, but for one thing: where [`Self::adds_space`], the
    /// encoder put a space in front of the text.
    pub fn bytes(&self, token: u32) -> Option<Vec<u8>> {
        let text = self.tokenizer.id_to_token(token)?;
        let kind = *self.kinds.get(usize::try_from(token).ok()?)?;
        Some(match (kind, self.form) {
            (TokenKind::Byte, _) => vec![vocabulary::byte(&text)?],
            (TokenKind::Normal | TokenKind::Unused, Form::ByteLevel) => byte_level::bytes(&text),
            (TokenKind::Normal | TokenKind::Unused, Form::SentencePiece) => {
                sentencepiece::text(&text).into_bytes()
            }
            _ => text.into_bytes(),
        })
    }

    /// Whether a space is put in front of every text, and after every special token.
    pub fn adds_space(&self) -> bool {
        self.form == Form::SentencePiece && sentencepiece::adds_space(&self.tokenizer)
    }

    /// The library's tokenizer, in which special tokens are recognised. Its text as a `tokenizer.json` is complete.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The same, with the encoder for which typed special tokens are text.
    pub fn into_parts(self) -> (Tokenizer, PlainText) {
        (self.tokenizer, self.plain)
    }

    /// Number of tokens. A model may have rows for more: those are never sampled.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there are no tokens, which is never so.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The kind of a token; `None` past the vocabulary.
    pub fn kind(&self, token: u32) -> Option<TokenKind> {
        self.kinds.get(usize::try_from(token).ok()?).copied()
    }

    /// The begin-of-text token.
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The end-of-text token.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// Whether whole texts begin with the begin-of-text token.
    pub fn adds_begin(&self) -> bool {
        self.adds_begin
    }

    /// Whether whole texts end with the end-of-text token.
    pub fn adds_end(&self) -> bool {
        self.adds_end
    }

    /// Every token that ends an answer, ascending: end of text, of turn, of message, and others known by name.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Tokens that are never to be sampled, ascending: those that only fill the vocabulary up, and those that the file
    /// names.
    pub fn never_sampled(&self) -> &[u32] {
        &self.never
    }
}

fn form(model: &str) -> Option<Form> {
    match model {
        "gpt2" => Some(Form::ByteLevel),
        "llama" => Some(Form::SentencePiece),
        _ => None,
    }
}

/// The key that says `name` of a tokenizer.
fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}

/// Whether `token` is added to every text. It cannot be where there is none.
fn habit(
    metadata: &Metadata,
    name: &str,
    token: Option<u32>,
    default: bool,
) -> Result<bool, GgufError> {
    match (metadata.get::<bool>(&key(name))?, token) {
        (Some(true), None) => {
            Err(metadata.tokenizer_fault(TokenizerFault::NoTokenToAdd(key(name))))
        }
        (said, token) => Ok(token.is_some() && said.unwrap_or(default)),
    }
}

/// The tokens that are looked for in a text before anything else is done with it.
fn added(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Vec<AddedToken>, GgufError> {
    /// Tokens of Phi-3 after which spaces count.
    const KEPT: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];
    let name = metadata.get::<&str>("general.name").ok().flatten().unwrap_or_default();
    let name = name.to_lowercase();
    // The format has no place for it, so it is known by name.
    let strips = name.contains("phi-3") || name.contains("phi3");
    let tokens = vocabulary.texts.iter().zip(&vocabulary.kinds);
    let added = tokens.filter_map(|(text, kind)| {
        let special = match kind {
            TokenKind::Control | TokenKind::Unknown => true,
            TokenKind::UserDefined => false,
            TokenKind::Normal | TokenKind::Unused | TokenKind::Byte => return None,
        };
        let rstrip = strips && !KEPT.contains(&text.as_ref());
        Some(AddedToken::from(text.as_ref(), special).normalized(false).rstrip(rstrip))
    });
    Ok(added.collect())
}

/// What is added to every text, in the form of a `tokenizer.json`.
fn template(
    vocabulary: &Vocabulary<'_>,
    around: [(bool, Option<u32>); 2],
) -> Option<serde_json::Value> {
    let token = |(adds, id): (bool, Option<u32>)| {
        let id = id.filter(|_| adds)?;
        Some((id, vocabulary.texts.get(usize::try_from(id).ok()?)?.as_ref()))
    };
    let [begin, end] = around.map(token);
    if begin.is_none() && end.is_none() {
        return None;
    }
    let special = |(_, text): (u32, &str)| json!({ "SpecialToken": { "id": text, "type_id": 0 } });
    let sequence = |name, number| json!({ "Sequence": { "id": name, "type_id": number } });
    let of = |sequences: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
        begin.map(special).into_iter().chain(sequences).chain(end.map(special)).collect()
    };
    let names: serde_json::Map<String, serde_json::Value> = [begin, end]
        .into_iter()
        .flatten()
        .map(|(id, text)| (text.to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] })))
        .collect();
    Some(json!({
        "type": "TemplateProcessing",
        "single": of(vec![sequence("A", 0)]),
        "pair": of(vec![sequence("A", 0), sequence("B", 1)]),
        "special_tokens": names,
    }))
}
