//! Typed access to `config.json`: every setting is checked where it is read, and named when it is wrong.

use crate::ModelError;
use serde_json::{Map, Value};

/// No size in a real configuration comes near this; above it arithmetic could wrap.
const LARGEST: u64 = 1 << 28;

/// The settings of a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    settings: Map<String, Value>,
}

impl Config {
    pub(crate) fn parse(text: &[u8]) -> Result<Config, ModelError> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(settings)) => Ok(Config { settings }),
            Ok(_) => Err(ModelError::NotJson { cause: "it holds another value".to_owned() }),
            Err(error) => Err(ModelError::NotJson { cause: error.to_string() }),
        }
    }

    /// The value of `key`; null counts as absent.
    fn value(&self, key: &str) -> Option<&Value> {
        self.settings.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, key: &'static str) -> Result<&str, ModelError> {
        let value = self.value(key).ok_or(ModelError::Missing { key })?;
        value.as_str().ok_or_else(|| bad(key, "a text", value))
    }

    /// A size: at least 1.
    pub(crate) fn size(&self, key: &'static str) -> Result<usize, ModelError> {
        self.size_or_absent(key)?.ok_or(ModelError::Missing { key })
    }

    pub(crate) fn size_or(&self, key: &'static str, default: usize) -> Result<usize, ModelError> {
        Ok(self.size_or_absent(key)?.unwrap_or(default))
    }

    pub(crate) fn size_or_absent(&self, key: &'static str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_u64() {
            Some(size) if (1..=LARGEST).contains(&size) => Ok(Some(size as usize)),
            _ => Err(bad(key, "a whole number from 1 to 268435456", value)),
        }
    }

    pub(crate) fn flag_or(&self, key: &'static str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| bad(key, "true or false", value))
    }

    /// One token id, where there is one.
    pub(crate) fn token(&self, key: &'static str) -> Result<Option<u32>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        as_token(value).map(Some).ok_or_else(|| bad(key, "a token id", value))
    }

    /// One token id or a list of them.
    pub(crate) fn tokens_or(
        &self,
        key: &'static str,
        default: u32,
    ) -> Result<Vec<u32>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(vec![default]) };
        let ids: Option<Vec<u32>> = match value {
            Value::Array(values) => values.iter().map(as_token).collect(),
            one => as_token(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| bad(key, "a token id or a list of them", value))
    }

    /// Refuses a setting whose value is none of `allowed`.
    pub(crate) fn require_text(
        &self,
        key: &'static str,
        allowed: &[&str],
    ) -> Result<(), ModelError> {
        match self.value(key) {
            None => Ok(()),
            Some(Value::String(text)) if allowed.contains(&text.as_str()) => Ok(()),
            Some(value) => Err(bad(key, &allowed.join(" or "), value)),
        }
    }
}

fn as_token(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// An error for a value; long values are cut.
pub(crate) fn bad(key: &'static str, expected: &str, got: &Value) -> ModelError {
    let mut got = got.to_string();
    if got.chars().count() > 60 {
        got = got.chars().take(60).collect::<String>() + "..";
    }
    ModelError::BadValue { key, expected: expected.to_owned(), got }
}
