//! What the files beside a vocabulary say: the class of the tokenizer, and tokens that stand for themselves.

use crate::{Checkpoint, CheckpointError};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Settings that name one special token.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/// The setting that names the token at the beginning of texts.
const BEGIN: &str = "bos_token";

/// The files they stand in: settings, texts of special tokens, ids of tokens beside the vocabulary.
const FILES: [&str; 3] = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/// The settings of a tokenizer.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Name of the tokenizer's class, without the suffix of its fast form.
    pub(super) class: Option<String>,
    /// Whether a space goes in front of every text; the form of the vocabulary decides when `None`.
    pub(super) prefix_space: Option<bool>,
    /// Whether that space also goes in front of what follows a special token, as the first versions of the library had it.
    pub(super) legacy: Option<bool>,
    /// The token that texts begin with, where they begin with one.
    begin: Option<String>,
    /// Texts of special tokens.
    special: HashSet<String>,
    /// Tokens beside the vocabulary.
    beside: Vec<AddedToken>,
}

/// A token that is found in a text before anything else is done with it.
#[derive(Debug, Clone)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    /// Whether it is left out of decoded text.
    pub(super) special: bool,
    /// Whether it takes the spaces before it.
    pub(super) lstrip: bool,
    /// Whether it takes the spaces after it.
    pub(super) rstrip: bool,
}

impl Settings {
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Settings, CheckpointError> {
        let object = |name| object(checkpoint, name);
        let [config, specials, added] = FILES.map(object);
        Ok(Settings::of(&config?, &specials?, added?))
    }

    /// The same from the texts of [`FILES`], where they are objects.
    pub(super) fn parse(texts: [&[u8]; 3]) -> Result<Settings, serde_json::Error> {
        let [config, specials, added] = texts.map(serde_json::from_slice);
        Ok(Settings::of(&config?, &specials?, added?))
    }

    fn of(
        config: &Map<String, Value>,
        specials: &Map<String, Value>,
        added: Map<String, Value>,
    ) -> Settings {
        let mut settings = Settings::default();
        let class = config.get("tokenizer_class").and_then(Value::as_str);
        settings.class = class.map(|class| class.trim_end_matches("Fast").to_owned());
        let flag = |name| config.get(name).and_then(Value::as_bool);
        settings.prefix_space = flag("add_prefix_space");
        settings.legacy = flag("legacy");
        settings.begin = config.get(BEGIN).or(specials.get(BEGIN)).and_then(content);
        settings.name_specials(config);
        settings.name_specials(specials);
        for (content, id) in added {
            if let Some(id) = as_id(&id) {
                let (special, lstrip, rstrip) = (false, false, false);
                settings.beside.push(AddedToken { id, content, special, lstrip, rstrip });
            }
        }
        let decoder = config.get("added_tokens_decoder").and_then(Value::as_object);
        for (id, token) in decoder.into_iter().flatten() {
            let flag = |key| token.get(key).and_then(Value::as_bool).unwrap_or(false);
            if let (Ok(id), Some(content)) = (id.parse(), content(token)) {
                let (special, lstrip, rstrip) = (flag("special"), flag("lstrip"), flag("rstrip"));
                settings.beside.push(AddedToken { id, content, special, lstrip, rstrip });
            }
        }
        settings
    }

    fn name_specials(&mut self, config: &Map<String, Value>) {
        let one = ROLES.iter().filter_map(|role| config.get(*role));
        let more = config.get("additional_special_tokens").and_then(Value::as_array);
        self.special.extend(one.chain(more.into_iter().flatten()).filter_map(content));
    }

    /// The id of the token that texts begin with, where the settings name one.
    pub(super) fn begin(&self, ids: &HashMap<String, u32>) -> Option<u32> {
        let text = self.begin.as_ref()?;
        let beside = || self.beside.iter().find(|token| token.content == *text);
        ids.get(text).copied().or_else(|| beside().map(|token| token.id))
    }

    /// Every token that stands for itself, with its id: one of `ids`, or one of its own. What the settings say counts
    /// over what the vocabulary says of `marked`.
    pub(super) fn added(
        &self,
        ids: &HashMap<String, u32>,
        marked: &[AddedToken],
    ) -> Vec<AddedToken> {
        let in_vocabulary = |content: &String| {
            let (id, content) = (*ids.get(content)?, content.clone());
            Some(AddedToken { id, content, special: true, lstrip: false, rstrip: false })
        };
        let beside = self.beside.iter().map(|token| {
            let special = token.special || self.special.contains(&token.content);
            AddedToken { special, ..token.clone() }
        });
        // What was said last of a token counts.
        let named = self.special.iter().filter_map(in_vocabulary);
        let all = marked.iter().cloned().chain(named).chain(beside);
        let tokens: HashMap<u32, AddedToken> = all.map(|token| (token.id, token)).collect();
        tokens.into_values().collect()
    }
}

/// The text of a token, written plainly or with its settings.
fn content(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

fn as_id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// The JSON object in the file `name`; an empty one when there is no such file.
fn object(
    checkpoint: &Checkpoint,
    name: &'static str,
) -> Result<Map<String, Value>, CheckpointError> {
    let Some(text) = checkpoint.text(name)? else { return Ok(Map::new()) };
    serde_json::from_slice(&text)
        .map_err(|error| checkpoint.bad(name, format!("is not a JSON object: {error}")))
}
