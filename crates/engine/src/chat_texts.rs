//! What a model's files say of how it chats: its templates, and the tokens that those may name.

use crate::EngineError;
use flint_bundle::Bundle;
use flint_checkpoint::Checkpoint;
use flint_checkpoint::gguf::{GgufError, GgufTokenizer, Metadata};

/// Longest text that is read: templates of published models have some ten thousand bytes, settings of a tokenizer with a
/// large list of added tokens a million.
const LONGEST: u64 = 8 << 20;

/// Texts as they lie in the files, not looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatTexts {
    /// `chat_template.jinja`.
    pub jinja: Option<String>,
    /// `tokenizer_config.json`, which may hold a template and names special tokens.
    pub tokenizer_config: Option<String>,
    /// `tokenizer.chat_template` of a GGUF file.
    pub gguf: Option<String>,
    /// `tokenizer.chat_template.tool_use` of a GGUF file.
    pub gguf_tool_use: Option<String>,
    /// Special tokens by the names that templates have for them, such as `bos_token`, in a GGUF file.
    pub named: Vec<(String, u32)>,
}

impl ChatTexts {
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint) -> Result<ChatTexts, EngineError> {
        let text = |name| -> Result<Option<String>, EngineError> {
            checkpoint.text(name)?.map(|bytes| utf8(name, bytes)).transpose()
        };
        Ok(ChatTexts {
            jinja: text(JINJA)?,
            tokenizer_config: text(CONFIG)?,
            ..ChatTexts::default()
        })
    }

    pub(crate) fn of_gguf(
        metadata: &Metadata,
        tokenizer: &GgufTokenizer,
    ) -> Result<ChatTexts, GgufError> {
        let text = |name| metadata.chat_template(name).map(|found| found.map(str::to_owned));
        let tokens = [("bos_token", tokenizer.begin()), ("eos_token", tokenizer.end())];
        let named = tokens.into_iter().filter_map(|(name, token)| Some((name.to_owned(), token?)));
        Ok(ChatTexts {
            gguf: text(None)?,
            gguf_tool_use: text(Some("tool_use"))?,
            named: named.collect(),
            ..ChatTexts::default()
        })
    }

    pub(crate) fn of_bundle(bundle: &Bundle) -> Result<ChatTexts, EngineError> {
        let text = |name: &'static str| -> Result<Option<String>, EngineError> {
            let found = bundle.texts().iter().find(|text| text.name == name);
            let Some(found) = found.filter(|text| text.extent.len() <= LONGEST) else {
                return Ok(None);
            };
            utf8(name, bundle.read_text(&found.name)?).map(Some)
        };
        Ok(ChatTexts {
            jinja: text(JINJA)?,
            tokenizer_config: text(CONFIG)?,
            ..ChatTexts::default()
        })
    }
}

/// The names under which bundles and checkpoints keep them.
const JINJA: &str = "chat_template.jinja";
const CONFIG: &str = "tokenizer_config.json";

fn utf8(name: &str, bytes: Vec<u8>) -> Result<String, EngineError> {
    String::from_utf8(bytes)
        .map_err(|_| EngineError::BadTokenizer { cause: format!("{name} is not UTF-8 text") })
}
