//! Typed access to `config.json`: every setting is checked where it is read, and named when it is wrong.
//!
//! Attacks that end here, each with a test in `tests/it/refuse.rs` or in the runtime's `tests/it/hostile/texts.rs`: sizes
//! of zero, below zero, or near 2^64, numbers that are infinite or none, values of other types, texts of
//! megabytes in a value, no object at all, not UTF-8, nesting without end, names that come twice. The size of
//! the file is the reader's business: at most a megabyte comes here.

mod activation;
mod heads;
pub(crate) mod rope;

pub(crate) use heads::Heads;
pub(crate) use rope::RopeDefaults;

use crate::ModelError;
use crate::limits::{LARGEST, MOST_LAYERS};
use serde_json::{Map, Value};

/// Where a configuration lists what kind each layer is of.
const LAYER_TYPES: &str = "layer_types";

/// The settings of a checkpoint, or of one section of them.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    settings: Map<String, Value>,
    /// The file they are from.
    file: &'static str,
    /// Name of the section with a dot, empty for the whole.
    section: String,
}

impl Config {
    /// The settings in `text`, which is `file`.
    pub(crate) fn parse(file: &'static str, text: &[u8]) -> Result<Config, ModelError> {
        let cause = match serde_json::from_slice(text) {
            Ok(Value::Object(settings)) => {
                return Ok(Config { settings, file, section: String::new() });
            }
            Ok(_) => "it holds another value".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(ModelError::NotJson { file, cause })
    }

    /// The value of `key`; null counts as absent.
    fn value(&self, key: &str) -> Option<&Value> {
        self.settings.get(key).filter(|value| !value.is_null())
    }

    /// The same settings, where each of these `(old, new)` keys also goes by its new name.
    pub(crate) fn renamed(&self, keys: &[(&str, &str)]) -> Config {
        let mut config = self.clone();
        for &(old, new) in keys {
            if let Some(value) = self.value(old).filter(|_| self.value(new).is_none()) {
                config.settings.insert(new.to_owned(), value.clone());
            }
        }
        config
    }

    /// The same settings, where `key` is `value` unless they say otherwise.
    pub(crate) fn with_default(&self, key: &str, value: Value) -> Config {
        let mut config = self.clone();
        if self.value(key).is_none() {
            config.settings.insert(key.to_owned(), value);
        }
        config
    }

    /// The same settings but for `key`.
    pub(crate) fn without(&self, key: &str) -> Config {
        let mut config = self.clone();
        config.settings.remove(key);
        config
    }

    /// These settings as the section `key` of others.
    pub(crate) fn under(self, key: &str) -> Config {
        let settings = Map::from_iter([(key.to_owned(), Value::Object(self.settings))]);
        Config { settings, file: self.file, section: String::new() }
    }

    /// Whether `key` is there, even as null.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    /// The section under `key`; an empty one counts as absent.
    pub(crate) fn section(&self, key: &str) -> Result<Option<Config>, ModelError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(settings)) if settings.is_empty() => Ok(None),
            Some(Value::Object(settings)) => {
                let section = format!("{}{key}.", self.section);
                Ok(Some(Config { settings: settings.clone(), file: self.file, section }))
            }
            Some(value) => Err(self.bad(key, "an object", value)),
        }
    }

    fn missing(&self, key: &str) -> ModelError {
        ModelError::Missing { file: self.file, key: format!("{}{key}", self.section) }
    }

    /// An error for the value of `key`; long values are cut.
    pub(crate) fn bad(&self, key: &str, expected: &str, got: &Value) -> ModelError {
        let mut got = got.to_string();
        if got.chars().count() > 60 {
            got = got.chars().take(60).collect::<String>() + "..";
        }
        let key = format!("{}{key}", self.section);
        ModelError::BadValue { file: self.file, key, expected: expected.to_owned(), got }
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str, ModelError> {
        self.text_or_absent(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn text_or_absent(&self, key: &str) -> Result<Option<&str>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.bad(key, "a text", value))
    }

    /// A size: at least 1.
    pub(crate) fn size(&self, key: &str) -> Result<usize, ModelError> {
        self.size_or_absent(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn size_or(&self, key: &str, default: usize) -> Result<usize, ModelError> {
        Ok(self.size_or_absent(key)?.unwrap_or(default))
    }

    pub(crate) fn size_or_absent(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_u64() {
            Some(size) if (1..=LARGEST).contains(&size) => Ok(Some(size as usize)),
            _ => Err(self.bad(key, "a whole number from 1 to 268435456", value)),
        }
    }

    /// A whole number, zero included.
    pub(crate) fn count_or(&self, key: &str, default: usize) -> Result<usize, ModelError> {
        match self.value(key).map(Value::as_u64) {
            Some(Some(0)) => Ok(0),
            _ => self.size_or(key, default),
        }
    }

    /// Decoder layers.
    pub(crate) fn layers(&self) -> Result<usize, ModelError> {
        const KEY: &str = "num_hidden_layers";
        match self.size(KEY)? {
            layers if layers <= MOST_LAYERS => Ok(layers),
            layers => Err(self.bad(KEY, &format!("at most {MOST_LAYERS}"), &layers.into())),
        }
    }

    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.bad(key, "true or false", value))
    }

    /// A number above zero.
    pub(crate) fn number(&self, key: &str) -> Result<f64, ModelError> {
        self.number_or_absent(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn number_or_absent(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            _ => Err(self.bad(key, "a number above zero", value)),
        }
    }

    /// What a norm adds before its root.
    pub(crate) fn epsilon_or(&self, key: &str, default: f32) -> Result<f32, ModelError> {
        if self.value(key).is_none() { Ok(default) } else { self.short(key) }
    }

    /// A number above zero that 32 bits hold.
    fn short(&self, key: &str) -> Result<f32, ModelError> {
        let number = self.number(key)?;
        match number as f32 {
            short if short.is_finite() => Ok(short),
            _ => Err(self.bad(key, "a number of 32 bits", &number.into())),
        }
    }

    /// One token id, where there is one.
    pub(crate) fn token(&self, key: &str) -> Result<Option<u32>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        as_token(value).map(Some).ok_or_else(|| self.bad(key, "a token id", value))
    }

    /// One token id or a list of them; `default` when the key is absent.
    pub(crate) fn tokens_or(&self, key: &str, default: &[u32]) -> Result<Vec<u32>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(default.to_vec()) };
        let ids: Option<Vec<u32>> = match value {
            Value::Array(values) => values.iter().map(as_token).collect(),
            one => as_token(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.bad(key, "a token id or a list of them", value))
    }

    /// Refuses a flag that is on: `unsupported` says what it would ask for.
    pub(crate) fn refuse_flag(&self, key: &str, unsupported: &str) -> Result<(), ModelError> {
        match self.flag_or(key, false)? {
            false => Ok(()),
            true => Err(self.bad(
                key,
                &format!("false: {unsupported} is not supported"),
                &Value::Bool(true),
            )),
        }
    }

    /// Refuses a setting that is there: `unsupported` says what it asks for.
    pub(crate) fn refuse(&self, key: &str, unsupported: &str) -> Result<(), ModelError> {
        match self.value(key) {
            None => Ok(()),
            Some(value) => Err(self.bad(
                key,
                &format!("no such setting: {unsupported} is not supported"),
                value,
            )),
        }
    }

    /// Refuses a list that is not empty: `unsupported` says what it asks for.
    pub(crate) fn refuse_list(&self, key: &str, unsupported: &str) -> Result<(), ModelError> {
        match self.value(key) {
            Some(Value::Array(list)) if list.is_empty() => Ok(()),
            _ => self.refuse(key, unsupported),
        }
    }

    /// Whether each layer sees only a window, where the configuration lists that.
    pub(crate) fn windowed_layers(&self, layers: usize) -> Result<Option<Vec<bool>>, ModelError> {
        let Some(value) = self.value(LAYER_TYPES) else { return Ok(None) };
        let kind = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Some(false),
            Some("sliding_attention") => Some(true),
            _ => None,
        };
        let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
        let windowed: Option<Vec<bool>> = kinds.and_then(|kinds| kinds.iter().map(kind).collect());
        let expected = || format!("{layers} times full_attention or sliding_attention");
        windowed.map(Some).ok_or_else(|| self.bad(LAYER_TYPES, &expected(), value))
    }

    /// An error for a list of layers that are not of one kind.
    pub(crate) fn mixed_layers(&self) -> ModelError {
        let value = self.value(LAYER_TYPES).unwrap_or(&Value::Null);
        self.bad(LAYER_TYPES, "all full_attention or all sliding_attention", value)
    }
}

fn as_token(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}
