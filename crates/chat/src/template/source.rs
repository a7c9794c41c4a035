//! Where a template comes from: a GGUF file's metadata, files beside a checkpoint, or the user.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ChatError;

/// ChatML, the form many models share, for models that bring no template of their own.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + \
message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}\
{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// The texts of a template and the tokens that it may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The template for conversations without tools, or the only one.
    pub default: String,
    /// A template of its own for conversations with tools.
    pub tool_use: Option<String>,
    /// Variables such as `bos_token`, with the text of the token.
    pub named_tokens: BTreeMap<String, String>,
    /// Texts of all tokens that steer the model, as far as they are known. Those of `named_tokens` count as well.
    pub control_tokens: Vec<String>,
}

/// What there is to choose a template from; the first that has one is taken, from the top.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    /// What the user asked for: the word `chatml`, or the text of a template file.
    pub asked: Option<&'a str>,
    /// The text of `chat_template.jinja`.
    pub jinja_file: Option<&'a str>,
    /// The text of `tokenizer_config.json`. Its tokens are taken whichever template is.
    pub tokenizer_config: Option<&'a str>,
    /// `tokenizer.chat_template` of a GGUF file.
    pub gguf: Option<&'a str>,
    /// `tokenizer.chat_template.tool_use` of a GGUF file.
    pub gguf_tool_use: Option<&'a str>,
}

impl Source {
    /// A template text without named tokens.
    pub fn new(text: impl Into<String>) -> Self {
        Self { default: text.into(), ..Self::default() }
    }

    /// The built-in ChatML.
    #[must_use]
    pub fn chatml() -> Self {
        let control_tokens = vec!["<|im_start|>".into(), "<|im_end|>".into()];
        Self { default: CHATML.into(), control_tokens, ..Self::default() }
    }

    /// Chooses among the candidates.
    ///
    /// # Errors
    /// [`ChatError::NoTemplate`] if none has a template, [`ChatError::Source`] for a configuration that is not JSON
    /// or whose template is neither a text nor a list of named texts.
    pub fn choose(candidates: Candidates<'_>) -> Result<Self, ChatError> {
        let config = candidates.tokenizer_config.map(Self::from_tokenizer_config).transpose()?;
        let (found, tokens) = match config {
            Some((found, tokens)) => (found, tokens),
            None => (None, Self::default()),
        };
        let gguf = candidates.gguf.map(|text| Self {
            tool_use: candidates.gguf_tool_use.map(Into::into),
            ..Self::new(text)
        });
        let asked = candidates.asked.map(|asked| match asked.trim() {
            "chatml" => Self::chatml(),
            _ => Self::new(asked),
        });
        let jinja = candidates.jinja_file.map(Self::new);
        let Some(mut source) = asked.or(jinja).or(found).or(gguf) else {
            return Err(ChatError::NoTemplate { looked_in: places(&candidates) });
        };
        source.named_tokens = tokens.named_tokens;
        source.control_tokens.extend(tokens.control_tokens);
        Ok(source)
    }

    /// Reads the template, if there is one, and the tokens of a `tokenizer_config.json`.
    fn from_tokenizer_config(text: &str) -> Result<(Option<Self>, Self), ChatError> {
        let config: Value =
            serde_json::from_str(text).map_err(|error| wrong(format!("not JSON: {error}")))?;
        let tokens = Self {
            named_tokens: named_tokens(&config),
            control_tokens: control_tokens(&config),
            ..Self::default()
        };
        let found = match config.get("chat_template") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Self::new(text.as_str())),
            Some(Value::Array(list)) => Some(from_list(list)?),
            Some(_) => return Err(wrong("chat_template is neither a text nor a list".into())),
        };
        Ok((found, tokens))
    }
}

/// A list of `{name, template}`, of which `default` and `tool_use` are known.
fn from_list(list: &[Value]) -> Result<Source, ChatError> {
    let named = |wanted: &str| {
        let mut entries = list.iter();
        let entry = entries.find(|entry| entry.get("name").and_then(Value::as_str) == Some(wanted));
        entry.and_then(|entry| entry.get("template")).and_then(Value::as_str)
    };
    let tool_use = named("tool_use");
    let default = named("default").or(tool_use);
    let default =
        default.ok_or_else(|| wrong("chat_template lists no template `default`".into()))?;
    Ok(Source { tool_use: tool_use.map(Into::into), ..Source::new(default) })
}

/// Every `NAME_token` that is a text or an object with a `content`.
fn named_tokens(config: &Value) -> BTreeMap<String, String> {
    let entries = config.as_object().into_iter().flatten();
    let tokens = entries.filter(|(name, _)| name.ends_with("_token"));
    tokens.filter_map(|(name, token)| Some((name.clone(), token_text(token)?))).collect()
}

/// `additional_special_tokens`, and what `added_tokens_decoder` calls special.
fn control_tokens(config: &Value) -> Vec<String> {
    let additional = config.get("additional_special_tokens").and_then(Value::as_array);
    let additional = additional.into_iter().flatten();
    let added = config.get("added_tokens_decoder").and_then(Value::as_object);
    let added = added.into_iter().flatten().map(|(_, token)| token);
    let special = |token: &&Value| token.get("special").and_then(Value::as_bool) == Some(true);
    additional.chain(added.filter(special)).filter_map(token_text).collect()
}

fn token_text(token: &Value) -> Option<String> {
    let text = token.as_str().or_else(|| token.get("content").and_then(Value::as_str));
    text.map(Into::into)
}

fn places(candidates: &Candidates<'_>) -> String {
    let config = candidates.tokenizer_config.map(|_| "tokenizer_config.json");
    let files = ["chat_template.jinja"].into_iter().chain(config);
    files.chain(["the metadata `tokenizer.chat_template`"]).collect::<Vec<_>>().join(", ")
}

fn wrong(reason: String) -> ChatError {
    ChatError::Source { origin: "tokenizer_config.json".into(), reason }
}
